"""The server of the soak: the control plane of ``serve``, whose objects come over a control port instead of a cluster's API.

`python -m bench.soak.server --state STATE.json`. It listens on free ports, and says which in its first line on stdout. The control
port also tells what nobody can see from outside: tasks, streams, and what every tenant is to have.
"""

import argparse
import asyncio
import gc
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.soak.world import Spec
from kube.informer.status import InformerStatus
from kube.informer.store import Store
from xds.app import logs, process
from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings
from xds.messages import Any_


class Told:
    """A source that is told its objects: first those of a file, then what comes over the control port."""

    informers: tuple[InformerStatus, ...] = ()

    def __init__(self, state: Path, store: Store) -> None:
        self._state = state
        self._store = store
        store.expect("control port")

    @property
    def described(self) -> Mapping[str, object]:
        """What the log says."""
        return {"objects": "told"}

    async def open(self) -> None:
        """Take the file."""
        self.take(json.loads(self._state.read_bytes()))
        self._store.mark_synced("control port")

    def take(self, specs: list[dict[str, Any]]) -> None:
        """Make one transaction of what changed, as an informer does of the events that came together."""
        there, gone = [], []
        for spec in map(Spec.read, specs):
            objects, others = spec.objects()
            there += objects
            gone += others
        self._store.apply(now=asyncio.get_running_loop().time(), upserts=there, removals=gone)

    async def run(self) -> None:
        """Wait: the control port calls `take`."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""

    def writing(self, *_: object) -> None:
        """Nothing is written."""


class Control:
    """What the control port answers."""

    def __init__(self, control_plane: ControlPlane, source: Told) -> None:
        self._control_plane = control_plane
        self._source = source

    async def change(self, request: web.BaseRequest) -> web.Response:
        """Take LoadBalancers as they are now, and answer when the store has them."""
        self._source.take(await request.json())
        return web.json_response({})

    async def standing(self, _: web.BaseRequest) -> web.Response:
        """Say how many tasks, Envoys and objects of Python there are."""
        gc.collect()
        delivery = self._control_plane.server.delivery
        return web.json_response(
            {
                "tasks": len(asyncio.all_tasks()),
                "envoys": sum(len(delivery.envoys(tenant)) for tenant in delivery.tenants),
                "objects": len(gc.get_objects()),
            }
        )

    async def content(self, _: web.BaseRequest) -> web.Response:
        """Say what each tenant is to have: of each resource a line with type, name and SHA-256, in their order, and the hash of that."""
        cache = self._control_plane.cache
        found = {}
        for tenant in cache.tenants:
            snapshot = cache.get(tenant)
            assert snapshot is not None
            lines = sorted(
                f"{type_url} {resource.name} {hashlib.sha256(Any_.FromString(resource.body).value).hexdigest()}\n"
                for type_url in snapshot.types
                for resource in snapshot.get(type_url) or ()
            )
            found[tenant] = hashlib.sha256("".join(lines).encode()).hexdigest()
        return web.json_response(found)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer any request."""
        pages = {"/change": self.change, "/standing": self.standing, "/content": self.content}
        return await pages[request.path](request)


async def _serve(state: Path, port: int, stop: asyncio.Event) -> None:
    sources: list[Told] = []

    def source_of(_: ServeSettings, store: Store) -> Told:
        sources.append(Told(state, store))
        return sources[0]

    control_plane = ControlPlane(ServeSettings(xds_address=f"127.0.0.1:{port}"), source_of=source_of)
    port = await control_plane.start()
    http = web.Server(Control(control_plane, sources[0]).answer, access_log=None)
    listening = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with process.ops(control_plane.registry, control_plane.unready, "127.0.0.1:0"):
        try:
            ports = {"xds": port, "control": listening.sockets[0].getsockname()[1]}
            sys.stdout.write(json.dumps(ports) + "\n")
            sys.stdout.flush()
            await control_plane.run(stop)
        finally:
            await control_plane.stop()
            listening.close()
            await http.shutdown()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=Path, required=True, help="the LoadBalancers at first")
    parser.add_argument("--port", type=int, default=0, help="of xDS (default: any free one)")
    arguments = parser.parse_args()
    # Each push and each ACK is a line of level info, a gigabyte in a soak.
    logs.configure(log_format="json", level="warning")
    return process.run(lambda stop: _serve(arguments.state, arguments.port, stop))


if __name__ == "__main__":
    sys.exit(main())
