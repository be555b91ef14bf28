"""The ten lines of README.md and docs/library.md, run as they stand there, with a real Envoy on the other end."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import ROOT, environment
from tests.support.workbench import running_envoy
from xds.app.address import HostPort
from xds.app.bootstrap import Bootstrap

WITHIN = 30.0


def example(page: str) -> str:
    """Return the first block of Python on a page."""
    found = re.search(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
async def test_the_ten_lines_serve_a_real_envoy(
    page: str,
    tmp_path: Path,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """The example as it stands, but for its port, serves an Envoy and hears of both of its ACKs."""
    port = free_port()
    assert "127.0.0.1:18000" in example(page)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", example(page).replace("18000", str(port))),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        bootstrap = Bootstrap(
            tenant="edge", xds_address=HostPort("127.0.0.1", port), node_id="an-envoy", api="delta"
        )
        async with running_envoy(bootstrap.yaml(), tmp_path) as envoy:
            assert process.stdout is not None
            said: list[str] = []
            async with asyncio.timeout(WITHIN):
                while len(said) < 2:
                    line = (await process.stdout.readline()).decode().strip()
                    assert line, "the example ended"
                    if "Envoys" in line:  # the log writes to the same place
                        said.append(line)
            assert said == ["ACKed by 1 of edge's Envoys"] * 2
            dump = await envoy.admin.config_dump()
        assert "'connect_timeout': '5s'" in str(dump)
    finally:
        process.kill()
        await process.communicate()
