"""A replica as a process of its own: says that it leads, then runs nothing until a line comes, and says it again at once.

Between that line and the second answer the event loop does not turn: no timer and no answer can have told it anything.
"""

import asyncio
import sys
from pathlib import Path

import structlog

from kube.client import Access, KubeApi
from kube.coordination.lease import Election
from tests.kube.controllers.electing import BOUND, QUICK
from xds.app.demo.waiting import poll


async def main(kubeconfig: Path, namespace: str) -> None:
    """Lead, stand still, and go on until the other replica is seen."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        election = Election(api, namespace=namespace, identity="a", timing=QUICK)
        heard: list[bool] = []
        changed = asyncio.Event()

        def hear(leading: bool) -> None:
            heard.append(leading)
            changed.set()

        election.subscribe(hear)
        running = asyncio.create_task(election.run())
        await changed.wait()
        say(f"leading: {election.leading}")
        sys.stdin.readline()
        say(f"leading: {election.leading}")

        async def holder() -> str:
            return election.holder

        await poll(holder, lambda found: found != "a", within=BOUND, what="the other replica")
        say(f"heard: {heard} holder: {election.holder}")
        running.cancel()
        await asyncio.wait([running])


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
