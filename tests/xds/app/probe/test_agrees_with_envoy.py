"""What the probe says would pass is what a real Envoy lets pass, case by case."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from tests.support import static_envoy
from tests.support.workbench import RunEnvoy
from tests.xds.app.probe.cases import CASES
from xds.app.demo.backends import Backend
from xds.app.demo.client import Outcome, ask
from xds.app.probe.dial import dial
from xds.app.probe.targets import Target

pytestmark = pytest.mark.envoy

# A plain Envoy reaches whatever listens: what comes back is then between client and backend.
DIALLED = {name: case for name, case in CASES.items() if case.policy != "plain"}


async def test_the_probe_agrees_with_envoy(run_envoy: RunEnvoy, free_port: Callable[..., int]) -> None:
    """One Envoy with a cluster for each case: a reply comes back exactly where the probe says that it passes."""
    async with AsyncExitStack() as stack:
        routes, listeners, targets = [], {}, {}
        for number, (name, case) in enumerate(DIALLED.items()):
            backend = await stack.enter_async_context(Backend(name, identity=case.identity))
            listeners[name] = free_port()
            tls = static_envoy.insecure() if case.policy == "insecure" else static_envoy.verify(case.ca)
            routes.append(static_envoy.tcp(f"case-{number}", listeners[name], backend.port, tls=tls))
            targets[name] = Target(name, "127.0.0.1", backend.port, case.policy, case.ca, proxy_header=False)
        await run_envoy(static_envoy.bootstrap(*routes))
        passes = {name: (await ask(port)).outcome is Outcome.REPLY for name, port in listeners.items()}
        dialled = {name: await asyncio.to_thread(dial, target) for name, target in targets.items()}
    assert set(passes.values()) == {True, False}
    assert {name: each.failure is None for name, each in dialled.items()} == passes
