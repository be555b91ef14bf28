"""What one changed Secret costs: the LoadBalancers that name it are translated, and the Envoys of their tenant hear of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import xds.translate
from tests.e2e.sources import ApiObjects, in_namespace
from tests.e2e.world import LOOPBACK, loadbalancer
from tests.support.kube_api import ApiServer
from tests.support.kube_client import Object
from tests.support.xds_client import XdsClient, names_of
from xds.app import pipeline
from xds.app.control_plane import ControlPlane
from xds.app.demo.certificates import Authority
from xds.app.demo.manifests import secret
from xds.app.settings import ServeSettings
from xds.snapshot.types import CLUSTER

COUNT = 50


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that names each LoadBalancer, with its namespace, at the moment it is translated."""
    names: list[str] = []
    real = xds.translate.translate

    def counting(lb: Any, **others: Any) -> Any:
        names.append(f"{lb.metadata.namespace}/{lb.metadata.name}")
        return real(lb, **others)

    monkeypatch.setattr(pipeline, "translate", counting)
    return names


@pytest.fixture
async def other(in_cluster: ApiObjects, api_server: ApiServer) -> AsyncIterator[str]:
    """Yield another tenant's namespace."""
    namespace = await api_server.namespace()
    yield namespace
    await in_cluster.client.clear("kubelb.k8c.io/v1alpha1", "LoadBalancer", namespace)
    await in_cluster.client.clear("v1", "Secret", namespace)


async def subscribed(client: XdsClient) -> list[str]:
    """Subscribe to clusters, and return the names of those that come."""
    await client.subscribe(CLUSTER)
    response = await client.receive()
    await client.ack(response)
    return names_of(response)


async def test_one_secret_of_fifty(in_cluster: ApiObjects, other: str, translated: list[str]) -> None:
    """Of 50 Secrets with a LoadBalancer each, and a second one for the first, in two tenants, a change costs two translations."""
    tenant, one, two = in_cluster.tenant, Authority("one"), Authority("two")
    documents: list[Object] = []
    for number in range(COUNT):
        ca = f"ca-{number}"
        documents += [
            in_namespace(secret(tenant, ca, one.pem), tenant),
            in_namespace(secret(other, ca, one.pem), other),
            in_namespace(loadbalancer(f"lb-{number}", 20000 + number, 30443, policy="Verify", ca=ca), tenant),
            in_namespace(loadbalancer(f"lb-{number}", 20000 + number, 30443, policy="Verify", ca=ca), other),
        ]
    documents.append(in_namespace(loadbalancer("again", 21000, 30443, policy="Verify", ca="ca-0"), tenant))
    await in_cluster.client.create_all(documents)

    control_plane = ControlPlane(ServeSettings(xds_address=f"{LOOPBACK}:0", **in_cluster.settings))
    port = await control_plane.start()
    nodes = [{"id": "envoy", "cluster": each} for each in (tenant, other)]
    try:
        async with (
            XdsClient(port, delta=True, node=nodes[0]) as ours,
            XdsClient(port, delta=True, node=nodes[1]) as theirs,
        ):
            assert len(await subscribed(ours)) == COUNT + 1
            assert len(await subscribed(theirs)) == COUNT
            translated.clear()

            await in_cluster.client.apply(in_namespace(secret(tenant, "ca-0", two.pem), tenant))
            names = names_of(await ours.receive())
            assert sorted(names) == [f"{tenant}-{name}-ep-0-port-30443-TCP" for name in ("again", "lb-0")]
            assert sorted(translated) == [f"{tenant}/again", f"{tenant}/lb-0"]

            # Whatever was to come to the other tenant would come before what changes for it now.
            await in_cluster.client.apply(in_namespace(secret(other, "ca-7", two.pem), other))
            assert names_of(await theirs.receive()) == [f"{other}-lb-7-ep-0-port-30443-TCP"]
            assert translated[2:] == [f"{other}/lb-7"]
    finally:
        await control_plane.stop()
