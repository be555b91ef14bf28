"""Sets the demo up: Secrets, backends with a recorder of the wire before each, the control plane, and a real Envoy.

The control plane is `serve`'s own object, on `serve`'s own event loop, in this process: so its answers from Envoy are timed by the same
clock as the files and the connections, and a test can play the demo with a translation that is broken on purpose. Nothing outlives the
stage: whatever ends it ends all of that. It does not know what is to be seen.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xds.app.control_plane import ControlPlane
from xds.app.demo import manifests
from xds.app.demo.backends import Backend
from xds.app.demo.envoy import Envoy
from xds.app.demo.examples import Example, Examples
from xds.app.demo.manifests import ManifestFolder
from xds.app.demo.parts import Part, cast_parts
from xds.app.demo.ports import LOOPBACK
from xds.app.demo.recorder import Recorder
from xds.app.demo.updates import Updates
from xds.app.errors import UserError
from xds.app.settings import ServeSettings

SECRETS: Final = "secrets"


@dataclass(frozen=True, slots=True)
class Site:
    """One LoadBalancer on stage. Envoy connects to the recorder, and the recorder to the backend."""

    example: Example
    part: Part
    backend: Backend
    recorder: Recorder


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs; `sites` by the LoadBalancer's name."""

    examples: Examples
    secrets: ManifestFolder
    sites: Mapping[str, Site]
    updates: Updates
    envoy: Envoy

    def put_ca(self, example: Example, pem: bytes) -> float:
        """Write the Secret that a LoadBalancer names, and return the moment of the file's change (`time.monotonic`)."""
        return self.secrets.put(
            f"{example.secret}.yaml", manifests.secret(self.examples.tenant, example.secret, pem)
        )


@asynccontextmanager
async def on_stage(examples: Examples, directory: Path) -> AsyncIterator[Stage]:
    """Run everything until the block ends; `directory` takes the Secrets and Envoy's log.

    Envoy is live and has its first configuration when the block begins. Raises `UserError` for examples without one of the demo's
    LoadBalancers; `EnvoyMissingError`, `EnvoyExitedError`, `NotSeenError` or `xds.server.AddressError` when something does not start.
    """
    parts = cast_parts()
    if missing := parts.keys() - examples.loadbalancers.keys():
        raise UserError(
            f"{examples.manifests} has no LoadBalancer {min(missing)}, which the demo plays: `git checkout` brings it back"
        )
    async with AsyncExitStack() as stack:
        sites = {name: await _site(stack, examples.loadbalancers[name], part) for name, part in parts.items()}
        updates = Updates()
        envoy = Envoy(examples.bootstrap, directory=directory, admin_port=None)
        stage = Stage(examples, ManifestFolder(directory / SECRETS), sites, updates, envoy)
        for site in sites.values():
            if site.part.ca:
                stage.put_ca(site.example, site.part.ca)
        settings = ServeSettings(
            manifests=(examples.manifests, stage.secrets.path),
            xds_address=f"{LOOPBACK}:{examples.xds_port}",
            listener_address=LOOPBACK,  # a demo opens no ports to the network
        )
        await stack.enter_async_context(_serving(settings, updates))
        await stack.enter_async_context(envoy)
        await envoy.ready()
        yield stage


async def _site(stack: AsyncExitStack, example: Example, part: Part) -> Site:
    backend = await stack.enter_async_context(Backend(example.name, identity=part.identity))
    recorder = await stack.enter_async_context(
        Recorder(example.name, backend.port, port=example.backend_port)
    )
    return Site(example, part, backend, recorder)


@asynccontextmanager
async def _serving(settings: ServeSettings, updates: Updates) -> AsyncIterator[None]:
    control_plane = ControlPlane(settings, observer=updates)
    stop = asyncio.Event()
    try:
        await control_plane.start()
        running = asyncio.create_task(control_plane.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running  # it raises what ended it before its time
    finally:
        await control_plane.stop()
