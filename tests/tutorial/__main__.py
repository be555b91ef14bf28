"""`python -m tests.tutorial`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.envtest.assets import assets
from tests.tutorial.clusters import on_clusters
from tests.tutorial.steps import play
from tests.tutorial.teller import Teller
from xds.app.demo.waiting import NotSeenError


async def main() -> int:
    """Play it in a folder of its own, and return the exit code."""
    teller = Teller(print)
    with tempfile.TemporaryDirectory(prefix="kubelb-xds-tutorial-") as directory:
        try:
            async with on_clusters(assets(print), Path(directory), teller) as clusters:
                await play(clusters, teller)
        except NotSeenError as error:
            teller.say(f"FAILED: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
