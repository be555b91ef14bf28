"""What metrics cost: a push with and without them, and a scrape of 1,000 tenants with 10,000 LoadBalancers.

`python -m bench.metrics`. The push is a whole one, in this process: a change of one endpoint, made a response for each of 50 streams,
written over gRPC, parsed, ACKed and taken. Rounds with and without the counting take turns, so that what else the machine does hits both.
"""

import asyncio
import time
from statistics import median
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from kube.informer.store import Store
from kube.objects import Addresses, LoadBalancer, Secret, decode
from tests.support import pki
from tests.support.resources import cluster, endpoints
from tests.support.xds_client import XdsClient
from xds.admin.ops import Collected
from xds.admin.server_metrics import ACK_BOUNDS, ServerMetrics
from xds.admin.tally import Histogram, Tally
from xds.app.control_plane import references
from xds.app.metrics import registry_of
from xds.app.pipeline import TYPES, Pipeline
from xds.app.served_metrics import BUILD_BOUNDS, Served
from xds.protocol import Outcome, Push, Response
from xds.server import Observer, StreamInfo, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import ENDPOINT

STREAMS, CHANGES, ROUNDS = 50, 40, 12
TENANTS, EACH = 1000, 10
SCRAPE_GOAL = 100  # ms on the event loop, in which nobody is served


def main() -> None:
    """Print the table."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())


async def _main() -> None:
    without, with_ = await _pushes()
    event = _event()
    print(f"a push and its ACK, CPU of both ends, without metrics  {without * 1e6:8.1f} µs")
    print(
        f"the same with metrics                                  {with_ * 1e6:8.1f} µs   ratio {with_ / without:.3f}"
    )
    print(
        f"of it the counting itself                              {event * 1e6:8.2f} µs   {event / without:.2%}"
    )
    await _scrape()


async def _pushes() -> tuple[float, float]:
    """Return the seconds of CPU of one push and its ACK, without and with the counting."""
    servers = []
    for counting in (False, True):
        cache = SnapshotCache(TYPES)
        cache.set("tenant-a", [cluster("a"), endpoints("a")])
        server = XdsServer(cache, observer=Observer())
        if counting:
            ServerMetrics(server, cache, clock=asyncio.get_running_loop().time)
        servers.append((cache, server, await server.start("127.0.0.1:0")))
    seconds: tuple[list[float], list[float]] = [], []
    for number in range(ROUNDS * 2):
        # Which one begins changes as well.
        which = (number + number // 2) % 2
        cache, _, port = servers[which]
        seconds[which].append(await _round(cache, port, number))
    for _, server, _ in servers:
        await server.stop()
    return median(seconds[0]), median(seconds[1])


async def _round(cache: SnapshotCache, port: int, number: int) -> float:
    clients = [
        XdsClient(port, delta=True, node={"id": f"e-{n}", "cluster": "tenant-a"}) for n in range(STREAMS)
    ]
    for client in clients:
        await client.__aenter__()
        await client.subscribe(ENDPOINT, ["a"])
        await client.ack(await client.receive())
    began = time.process_time()
    for change in range(CHANGES):
        cache.update("tenant-a", [endpoints("a", 2 + number * CHANGES + change)])
        for client in clients:
            await client.ack(await client.receive())
    taken = (time.process_time() - began) / CHANGES / STREAMS
    for client in clients:
        await client.__aexit__(None, None, None)
    return taken


def _event() -> float:
    """Return the seconds of counting one push and its ACK."""
    tally = Tally(lambda _: True, ACK_BOUNDS)
    stream = StreamInfo(1, "peer", delta=True, tenant="tenant-a")
    response = Response(ENDPOINT, "1", "v", (), (), (), delta=True)
    outcome = Outcome(ENDPOINT, "ack", Push(response, 0.0, {}, 0))
    number = 200_000
    began = time.process_time()
    for _ in range(number):
        tally.pushed(stream, response, 0.01)
        tally.answered(stream, ENDPOINT, outcome, 0.01)
    return (time.process_time() - began) / number


async def _scrape() -> None:
    store, cache, builds = Store(references=references), SnapshotCache(TYPES), Histogram(BUILD_BOUNDS)
    pipeline = Pipeline(store, cache, took=builds.observe)
    authority = pki.ca("bench")
    ca = (authority.pem + authority.crl()).decode()
    objects: list[Any] = []
    for tenant in (f"tenant-{number}" for number in range(TENANTS)):
        objects.append(_decoded("v1", "Secret", tenant, "ca", stringData={"ca.crt": ca}))
        objects += [_loadbalancer(tenant, number) for number in range(EACH)]
    store.apply(now=0, upserts=objects)
    while builds.total == 0:  # noqa: ASYNC110 — the flush is next on the loop
        await asyncio.sleep(0)
    server = XdsServer(cache, observer=Observer())
    metrics = ServerMetrics(server, cache, clock=asyncio.get_running_loop().time)
    registry: CollectorRegistry = registry_of(lambda: (), metrics, Served(store, pipeline, builds))
    collects, encodes, body = [], [], b""
    families: tuple[Metric, ...] = ()
    encode, _ = choose_encoder("application/openmetrics-text")
    for _ in range(5):
        began = time.perf_counter()
        families = tuple(registry.collect())
        collects.append(time.perf_counter() - began)
        began = time.perf_counter()
        body = encode(Collected(families))
        encodes.append(time.perf_counter() - began)
    samples = sum(len(family.samples) for family in families)
    print(
        f"a scrape of {TENANTS} tenants and {TENANTS * EACH} LoadBalancers: {samples} samples, {len(body) / 1e6:.1f} MB"
    )
    print(
        f"  collected on the event loop                          {min(collects) * 1e3:8.0f} ms   goal {SCRAPE_GOAL} ms"
    )
    print(f"  written in a thread                                  {min(encodes) * 1e3:8.0f} ms")
    pipeline.close()


def _loadbalancer(tenant: str, number: int) -> Any:
    spec = {
        "endpoints": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 30443}]}],
        "ports": [{"port": 20000 + number}],
        "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "ca"}},
    }
    return _decoded("kubelb.k8c.io/v1alpha1", "LoadBalancer", tenant, f"lb-{number}", spec=spec)


def _decoded(
    version: str, kind: str, tenant: str, name: str, **fields: Any
) -> LoadBalancer | Addresses | Secret:
    metadata = {"name": name, "namespace": tenant}
    return decode({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})


if __name__ == "__main__":
    main()
