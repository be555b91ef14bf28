"""The control plane as `serve` runs it, over objects that are made here: what `make bench-peer` measures beside go-control-plane.

Each LoadBalancer has policy Verify, a Secret of its own and three endpoints. Control requests, over HTTP on 127.0.0.1:

  GET /bump?k=K  replace ca.crt in the Secrets of the next K LoadBalancers, as an informer's event would; answers once the store
                 has them
  GET /pid       the processes that serve, one a line
  GET /cold      seconds of CPU that the way from the objects to a servable snapshot took at the start

Try: python -m bench.server --load-balancers 1000, and in another terminal: curl '127.0.0.1:18001/bump?k=1'
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterable, Mapping

from aiohttp import web

from bench.objects import MOST, Objects
from kube.informer.status import InformerStatus
from kube.informer.store import Store
from kube.objects import ObjectRef
from xds.app import logs, process
from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings

_NAME = "bench"


class Made:
    """A source of objects that were made here."""

    def __init__(self, objects: Objects, store: Store) -> None:
        self.objects = objects
        #: Seconds of CPU that the process had used when the objects began to go into the store.
        self.opened_at = 0.0
        self._store = store
        self._clock = asyncio.get_running_loop().time
        store.expect(_NAME)

    @property
    def described(self) -> Mapping[str, object]:
        """Nothing that a line of log could say."""
        return {}

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """None."""
        return ()

    async def open(self) -> None:
        """Put every object into the store."""
        objects = self.objects.all()
        self.opened_at = time.process_time()
        self._store.apply(now=self._clock(), upserts=objects)
        self._store.mark_synced(_NAME)

    async def run(self) -> None:
        """Do nothing: changes come by `bump`."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""

    def writing(self, *_: object) -> None:
        """Nothing is written anywhere."""
        return

    def bump(self, how_many: int) -> None:
        """Replace the certificates of the next LoadBalancers, in one transaction."""
        self._store.apply(now=self._clock(), upserts=self.objects.bumped(how_many))


class Bench:
    """A control plane over a source of that kind, and its control requests."""

    def __init__(self, count: int, tenant: str, address: str) -> None:
        """Wire everything, start nothing. ``address`` is ``host:port`` of xDS."""
        self._count = count
        self._objects = Objects(count, tenant)
        self.control_plane = ControlPlane(
            ServeSettings(manifests=(), xds_address=address), source_of=lambda _, store: self._made(store)
        )
        #: Seconds of CPU from the objects in the store to a servable snapshot, once it is there.
        self.cold = 0.0
        self._translated = asyncio.Event()
        self.control_plane.pipeline.subscribe(self._flushed)

    def _made(self, store: Store) -> Made:
        self.source = Made(self._objects, store)
        return self.source

    def _flushed(self, _: Iterable[ObjectRef]) -> None:
        if not self._translated.is_set():
            self.cold = time.process_time() - self.source.opened_at
            self._translated.set()

    async def start(self) -> int:
        """Start, and return the port of xDS once everything can be served."""
        port = await self.control_plane.start()
        await self._translated.wait()
        return port

    def control(self) -> web.Application:
        """Return what answers control requests."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/bump", self._bump),
                web.get("/pid", self._pid),
                web.get("/cold", self._cold_start),
            ]
        )
        return application

    async def _bump(self, request: web.Request) -> web.Response:
        text = request.query.get("k", "")
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= self._count:
            raise web.HTTPBadRequest(text=f"k is {text!r}: it is to be a number from 1 to {self._count}\n")
        self.source.bump(int(text))
        return web.Response()

    async def _pid(self, _: web.Request) -> web.Response:
        return web.Response(text=f"{os.getpid()}\n")

    async def _cold_start(self, _: web.Request) -> web.Response:
        return web.Response(text=f"{self.cold:.3f}\n")


async def _serve(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    bench = Bench(arguments.load_balancers, arguments.tenant, f"127.0.0.1:{arguments.port}")
    await bench.start()
    runner = web.AppRunner(bench.control(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", arguments.control_port).start()
        await bench.control_plane.run(stop)
    finally:
        await runner.cleanup()
        await bench.control_plane.stop()


def main() -> int:
    """Serve until a signal says stop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--load-balancers",
        type=_how_many,
        default=1000,
        metavar="N",
        help=f"how many, at most {MOST:,} (default: 1000)",
    )
    parser.add_argument(
        "--tenant", default="tenant-primary", help="whose they are: node.cluster of the clients"
    )
    parser.add_argument(
        "--port", type=int, default=18000, help="xDS, plaintext on 127.0.0.1 (default: 18000)"
    )
    parser.add_argument(
        "--control-port", type=int, default=18001, help="control requests, on 127.0.0.1 (default: 18001)"
    )
    parser.add_argument(
        "--log-level",
        choices=("info", "warning"),
        default="warning",
        help="info, as `serve` has it, writes a line for each push and each ACK; the peer logs nothing (default: warning)",
    )
    arguments = parser.parse_args()
    logs.configure(level=arguments.log_level)
    return process.run(lambda stop: _serve(arguments, stop))


def _how_many(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{number} is not from 1 to {MOST:,}")
    return number


if __name__ == "__main__":
    sys.exit(main())
