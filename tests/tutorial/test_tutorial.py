"""`make demo-kubernetes` gives what the reference says: every step of it waits for what it shows."""

from pathlib import Path

import pytest

from tests.tutorial.clusters import on_clusters
from tests.tutorial.steps import play
from tests.tutorial.teller import Teller


@pytest.mark.usefixtures("envoy_binary")
async def test_the_tutorial_with_kubectl(kube_programs: Path, tmp_path: Path) -> None:
    """The tutorial and its whole Troubleshooting list, followed literally with kubectl against two real API servers."""
    lines: list[str] = []
    teller = Teller(lines.append)
    async with on_clusters(kube_programs, tmp_path, teller) as clusters:
        await play(clusters, teller)
    assert lines[-1] == "The tutorial gives what it says."
