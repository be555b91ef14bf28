"""Envoy without an aggregated stream, as KubeLB's own bootstrap has it: clusters, listeners and endpoints come on streams of their own.

Envoy 1.40 opens one stream for clusters, one for listeners, and one for the endpoints of each cluster.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from string import Template
from typing import Final

import pytest

from tests.e2e.sources import Files
from tests.e2e.world import LOOPBACK, World, loadbalancer, world
from xds.app.bootstrap import XDS_CLUSTER, Api
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Conversation, Outcome, Traffic, ask
from xds.app.demo.manifests import Manifest
from xds.app.demo.waiting import poll
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, short

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]

BOOTSTRAP: Final = Template("""\
node: { cluster: $tenant, id: $tenant }
dynamic_resources:
  cds_config: &source
    resource_api_version: V3
    api_config_source:
      api_type: $api_type
      transport_api_version: V3
      grpc_services: [{ envoy_grpc: { cluster_name: $xds_cluster } }]
  lds_config: *source
static_resources:
  clusters:
    - name: $xds_cluster
      type: STATIC
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment:
        cluster_name: $xds_cluster
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: $host, port_value: $port } } }
""")


@pytest.fixture
async def played(
    tmp_path: Path,
    api: Api,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[World]:
    """Yield a control plane set to separate endpoint streams, and an Envoy that aggregates nothing."""
    port = free_port()
    objects = Files(tmp_path)
    bootstrap = BOOTSTRAP.substitute(
        tenant=objects.tenant,
        api_type="DELTA_GRPC" if api == "delta" else "GRPC",
        xds_cluster=XDS_CLUSTER,
        host=LOOPBACK,
        port=port,
    )
    async with world(tmp_path, api, port, objects, bootstrap=bootstrap, eds="separate", eds_api=api) as built:
        yield built


def _streams(played: World) -> Counter[str]:
    """Return how many streams of each type are open, and see that all are of the variant that was asked for."""
    return Counter(short(stream.info.only_type) for stream in played.control_plane.server._streams)


async def _served(played: World, since: float, *ports: tuple[str, int]) -> None:
    """Wait until Envoy has all that LoadBalancers are, whichever stream comes last, and answers on their ports."""
    for name, port in ports:
        await played.updates.acked(LISTENER, name, since=since, within=5)
        await played.updates.acked(ENDPOINT, name, since=since, within=5)
        await poll(
            partial(ask, port), lambda attempt: attempt.outcome is Outcome.REPLY, within=5, what="a reply"
        )


def _with_hosts(manifest: Manifest, *hosts: str) -> Manifest:
    """Return a LoadBalancer with these endpoint addresses."""
    (group,) = manifest["spec"]["endpoints"]
    group = {**group, "addresses": [{"ip": host} for host in hosts]}
    return {**manifest, "spec": {**manifest["spec"], "endpoints": [group]}}


async def test_each_type_has_its_streams(played: World, api: Api, free_port: FreePort) -> None:
    """LoadBalancers are served over a stream for clusters, one for listeners, and one for each cluster's endpoints."""
    async with Backend("web") as backend:
        ports = {name: free_port() for name in ("one", "two", "three")}
        manifests = [loadbalancer(name, port, backend.port) for name, port in ports.items()]
        since = await played.put("lbs", *manifests)
        names = {played.resource_name(name, backend.port): port for name, port in ports.items()}
        await _served(played, since, *names.items())
        assert _streams(played) == {"CDS": 1, "LDS": 1, "EDS": 3}
        assert {stream.info.delta for stream in played.control_plane.server._streams} == {api == "delta"}
        assert await played.rejected() == {}


async def test_endpoints_change_on_their_own_stream(played: World, free_port: FreePort) -> None:
    """New addresses of one LoadBalancer are one push on one stream, and Envoy has them."""
    async with Backend("web") as backend:
        ports = free_port(), free_port()
        web = loadbalancer("web", ports[0], backend.port)
        other = loadbalancer("other", ports[1], backend.port)
        names = played.resource_name("web", backend.port), played.resource_name("other", backend.port)
        await _served(played, await played.put("lbs", web, other), *zip(names, ports, strict=True))
        before = len(played.updates.pushes)
        since = await played.put("lbs", _with_hosts(web, LOOPBACK, "127.0.0.9"), other)
        await played.updates.acked(ENDPOINT, names[0], since=since, within=5.0)
        (push,) = played.updates.pushes[before:]
        assert (push[1].type_url, push[1].changed) == (ENDPOINT, (names[0],))
        hosts = {host.address for host in (await played.envoy.admin.hosts())[names[0]]}
        assert hosts == {f"{LOOPBACK}:{backend.port}", f"127.0.0.9:{backend.port}"}


async def test_a_replaced_cluster_gets_its_endpoints(played: World, free_port: FreePort) -> None:
    """A rotated CA replaces the cluster, which asks for its endpoints anew; open connections go on and none is lost."""
    old, new, port = Authority("old"), Authority("new"), free_port()
    async with Backend("web", identity=old.issue("web")) as backend:
        name = played.resource_name("web", backend.port)
        await played.put_ca("backend-ca", old.pem)
        since = await played.put(
            "web", loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        )
        await _served(played, since, (name, port))
        async with Conversation(port) as open_all_the_while, Traffic(port, per_second=50) as traffic:
            await traffic.since(since, count=5)
            since = await played.put_ca("backend-ca", old.pem + new.pem)
            await played.updates.acked(ENDPOINT, name, since=since, within=5.0)
            await played.envoy.admin.wait_for_counter(
                "cluster_manager.warming_clusters", lambda warming: not warming
            )
            backend.present(new.issue("web"))
            seen = len(backend.connections)
            await backend.connections.until(lambda: len(backend.connections) > seen, within=5, what="another")
            await traffic.since(since, count=20)
            assert await open_all_the_while.goes_on()
        assert traffic.lost == []
        assert await played.rejected() == {}


async def test_what_is_deleted_is_gone(played: World, free_port: FreePort) -> None:
    """Listener and cluster go, and with the cluster its stream; what stays serves on."""
    async with Backend("web") as backend:
        ports = free_port(), free_port()
        stays, goes = (
            loadbalancer(name, port, backend.port)
            for name, port in zip(("stays", "goes"), ports, strict=True)
        )
        names = {name: played.resource_name(name, backend.port) for name in ("stays", "goes")}
        since = await played.put("lbs", stays, goes)
        await _served(played, since, *zip(names.values(), ports, strict=True))
        since = await played.put("lbs", stays)
        await played.updates.acked_removal(CLUSTER, names["goes"], since=since)
        await played.updates.acked_removal(LISTENER, names["goes"], since=since)
        expected = {"CDS": 1, "LDS": 1, "EDS": 1}

        async def streams() -> Counter[str]:
            return _streams(played)

        await poll(streams, lambda found: found == expected, within=5, what="one stream for endpoints")
        dump = await played.envoy.admin.config_dump()
        assert set(dump.listeners) == {names["stays"]}
        assert (await ask(ports[0])).outcome is Outcome.REPLY


async def test_all_streams_come_back(played: World, api: Api, free_port: FreePort) -> None:
    """After a restart of the control plane every stream is opened anew, and nothing is lost meanwhile."""
    port = free_port()
    async with Backend("web") as backend:
        since = await played.put("web", loadbalancer("web", port, backend.port))
        await _served(played, since, (played.resource_name("web", backend.port), port))
        async with Traffic(port, per_second=50) as traffic:
            await played.stop_control_plane()
            stopped = played.updates.pushes[-1][0]
            await played.start_control_plane()
            since = await played.put("later", loadbalancer("later", free_port(), backend.port))
            name = played.resource_name("later", backend.port)
            await played.updates.acked(CLUSTER, name, since=since, within=15.0)
            await played.updates.acked(LISTENER, name, since=since, within=15.0)
            await traffic.since(since, count=10)
        assert traffic.lost == []
        if api == "delta":
            again = [push for moment, push in played.updates.pushes if moment > stopped]
            assert [push for push in again if played.resource_name("web", backend.port) in push.changed] == []
