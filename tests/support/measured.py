"""A control plane that has something to say in each of its metrics, and a cloud controller manager's that would.

It is the object that `serve` runs, over mutual TLS, with a source that does what a test tells it in the place of a cluster's API.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from kube.ccm.manager import Stats
from kube.coordination.writer import WriterStats
from kube.informer.store import Store
from tests.support import pki
from tests.support.mtls import TRUST_DOMAIN, Volume, server_of
from tests.support.objects import loadbalancer, secret
from tests.xds.app.fake_source import FakeSource, informer
from xds.app import ccm_metrics
from xds.app.control_plane import ControlPlane
from xds.app.metrics import WritingStatus
from xds.app.settings import ServeSettings
from xds.server import Observer

TENANT: Final = "tenant-a"
CA: Final = pki.ca("measured")


class _Writing:
    """What writes back, as far as it is told of."""

    informers = (informer("Service", synced=True, objects=3, lists=1, watches=1),)
    status = WritingStatus(True, {("LoadBalancer", "written"): 3, ("Service", "http_409"): 1}, 0, 0)

    async def run(self) -> None:
        """Nothing is written."""

    async def close(self) -> None:
        """Nothing is open."""


class MeasuredSource(FakeSource):
    """A source whose informers have seen something."""

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        super().__init__(settings, store)
        counts: dict[str, Any] = {"objects": 3, "lists": 1, "watches": 2, "events": 4}
        self.informers = (
            informer("LoadBalancer", synced=True, failures={"unreachable": 1}, **counts),
            informer("Secret", synced=True, **counts),
        )

    def writing(self, *_: object) -> Any:
        """Return what tells of writing."""
        return _Writing()


@dataclass
class Measured:
    """A control plane that runs in this process, and the port of its xDS listener on 127.0.0.1; clients' certificates are ``CA``'s."""

    control_plane: ControlPlane
    source: MeasuredSource
    port: int


@asynccontextmanager
async def measured(directory: Path) -> AsyncIterator[Measured]:
    """Run one with a LoadBalancer that verifies by a CA and a CRL, ``web``, and one whose Secret is missing, ``closed``."""
    volume = Volume(directory / "tls", server_of(CA), CA)
    settings = ServeSettings(
        kubernetes=True,
        listener_ports="spec",
        xds_address="127.0.0.1:0",
        tls_cert=volume.certificate,
        tls_key=volume.key,
        tls_client_ca=volume.client_ca,
        trust_domain=TRUST_DOMAIN,
    )
    control_plane = ControlPlane(settings, observer=Observer(), source_of=MeasuredSource)
    port = await control_plane.start()
    source: Any = control_plane.source
    try:
        source.sync(
            loadbalancer("web", policy="Verify", ca="web-ca"),
            loadbalancer("closed", port=20002, policy="Verify", ca="missing"),
            secret("web-ca", (CA.pem + CA.crl()).decode()),
        )
        yield Measured(control_plane, source, port)
    finally:
        await control_plane.stop()


def ccm_registry() -> CollectorRegistry:
    """Return the metrics of a cloud controller manager that has worked on something and failed once."""
    queue = WriterStats(writes=5, failures={"http_409": 1}, waiting=0, refused=0)
    return ccm_metrics.registry_of(
        lambda: (
            informer(
                "Service", synced=True, failures={"http_500": 1}, objects=3, lists=1, watches=1, events=2
            ),
        ),
        lambda: Stats(leading=True, services=3, orphans=0, addresses=2, queue=queue),
    )


def exposed(registry: CollectorRegistry) -> str:
    """Return what Prometheus reads."""
    encode, _ = choose_encoder("")
    return encode(registry).decode()
