"""What is as it is to be costs no write: no restart of the program, no time that passes, no change that leaves it as it is."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.sources import in_namespace
from tests.e2e.test_kubernetes_conditions import LATER, LONG_AGO, SOON
from tests.e2e.world import World, loadbalancer, world
from tests.e2e.written import Written, condition_of, written
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer
from tests.support.kube_client import Object
from tests.support.pki import ca as authority
from xds.app.demo.backends import Backend
from xds.app.demo.manifests import secret

FreePort = Callable[..., int]
COUNT = 200
PATIENCE = 3.0
"""Seconds: a setting. What nobody has answered is Unknown then."""
CONFLICT = 409


def writes(cluster: Written, proxy: FaultProxy, since: int = 0, *, refused: bool = True) -> list[str]:
    """Return the program's writes from this index on, in order, but for what replicas tell each other: the lease and the reports.

    Those that are `refused` since somebody wrote before are tries, too.
    """
    own = f"/namespaces/{cluster.own}/"
    return [
        f"{request.method} {request.path}"
        for request in proxy.requests[since:]
        if request.method != "GET" and own not in request.path and (refused or request.status != CONFLICT)
    ]


def of(name: str, made: list[str]) -> Counter[str]:
    """Return how often each path of a LoadBalancer was written."""
    return Counter(
        path.partition(f"/{name}")[2] for path in made if path.endswith((f"/{name}", f"/{name}/status"))
    )


def manifests(cluster: Written, backend_port: int) -> Iterator[tuple[str, Object, str]]:
    """Yield names, LoadBalancers and the status of their condition ResolvedRefs: of each kind that is written in another way some."""
    for number in range(COUNT):
        match number % 20:
            case 0:
                name, settled, fields = f"missing-{number}", "False", {"policy": "Verify", "ca": "nowhere"}
            case 1:
                name, settled, fields = f"expiring-{number}", "True", {"policy": "Verify", "ca": "soon"}
            case 2:
                name, settled, fields = f"verified-{number}", "True", {"policy": "Verify", "ca": "later"}
            case 3 | 4:
                name, settled, fields = f"exposed-{number}", "True", {"type": "LoadBalancer"}
            case 5:
                name, settled, fields = f"ignored-{number}", "True", {"hostname": "web.example.com"}
            case _:
                name, settled, fields = f"plain-{number}", "True", {}
        yield name, in_namespace(loadbalancer(name, 443, backend_port, **fields), cluster.tenant), settled  # type: ignore[arg-type]


def is_settled(lb: Object, resolved: str) -> bool:
    """Whether a LoadBalancer says all that it is to say."""
    exposed = lb["spec"]["type"] != "LoadBalancer" or "loadBalancer" in lb.get("status", {})
    return (
        exposed
        and condition_of(lb, "Programmed").get("status") == "True"
        and condition_of(lb, "ResolvedRefs")["status"] == resolved
    )


async def filled(cluster: Written, backend_port: int) -> None:
    """Create everything, give each Service an address, and wait until each LoadBalancer says all of it."""
    soon, later = (authority("ca", start=LONG_AGO, end=end) for end in (SOON, LATER))
    for name, pem in (("soon", soon.pem), ("later", later.pem)):
        await cluster.put(name, secret(cluster.tenant, name, pem))
    every = [*manifests(cluster, backend_port)]
    await cluster.client.create_all(manifest for _, manifest, _ in every)
    for name, manifest, resolved in every:
        if manifest["spec"].get("type") == "LoadBalancer":
            service = cluster.service(name)
            await cluster.found(service, bool, what="a Service")
            status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
            await cluster.client.patch(service, {"status": status}, subresource="status")
        await cluster.stands(name, lambda lb, to=resolved: is_settled(lb, to), what="all of it", within=60)  # type: ignore[misc]


async def test_nothing_to_write(
    api_server: ApiServer,
    fault_proxy: FaultProxy,
    tmp_path: Path,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """200 LoadBalancers of all kinds cost a few writes each when they come, and none when the program is restarted or a CA rotates."""
    async with (
        written(api_server, tmp_path, through=fault_proxy.url) as cluster,
        Backend("web") as backend,
        world(tmp_path, "delta", free_port(), cluster, patience=PATIENCE) as played,
    ):
        await filled(cluster, backend.port)
        created = writes(cluster, fault_proxy, refused=False)
        for name, manifest, _ in manifests(cluster, backend.port):
            made = of(name, created)
            # Ports, conditions, and Programmed; of a Service the node port and its address, and the finalizer, which is tried again
            # where a status was written meanwhile.
            exposed = manifest["spec"].get("type") == "LoadBalancer"
            assert made["/status"] <= (5 if exposed else 3), (name, made)
            assert made[""] in ((1, 2) if exposed else (0,)), (name, made)

        # A restart.
        before, since = await cluster.versions(), len(fault_proxy.requests)
        await played.stop_control_plane()
        await played.start_control_plane()
        await passed(cluster, played, backend.port, "after-the-restart")
        assert_untouched(before, await cluster.versions())
        assert not [
            each
            for each in writes(cluster, fault_proxy, since)
            if "after-the-restart" not in each and not is_ledger(each)
        ]

        # Another CA that is as good.
        before, since = await cluster.versions(), len(fault_proxy.requests)
        again = authority("ca", start=LONG_AGO, end=LATER, seed="again")
        await cluster.put("later", secret(cluster.tenant, "later", again.pem))
        await passed(cluster, played, backend.port, "after-the-rotation")
        assert_untouched(before, await cluster.versions())
        assert not [
            each
            for each in writes(cluster, fault_proxy, since)
            if "after-the-rotation" not in each and not is_ledger(each)
        ]


def is_ledger(write: str) -> bool:
    """Whether it is one to a tenant's ledger."""
    return write.endswith("/configmaps/kubelb-xds-ports")


def assert_untouched(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> None:
    """Assert that nothing was written that was there before, but for the ledger, in which those that came since have ports."""
    ledger = "ConfigMap", "kubelb-xds-ports"
    assert {key: version for key, version in before.items() if after.get(key) != version}.keys() == {ledger}
    assert before.keys() <= after.keys()


async def passed(cluster: Written, played: World, backend_port: int, name: str) -> None:
    """Wait until everything that there is to write has been: a LoadBalancer that comes now is served, and patience is over."""
    since = len(cluster.said)
    await cluster.put(name, in_namespace(loadbalancer(name, 443, backend_port), cluster.tenant))
    await cluster.says(name, "Programmed", "True", since=since)
    played.envoy.pause()
    try:
        await cluster.put(name, in_namespace(loadbalancer(name, 443, backend_port + 1), cluster.tenant))
        await cluster.says(name, "Programmed", "Unknown", since=since)
    finally:
        played.envoy.resume()
    await cluster.says(name, "Programmed", "True", since=len(cluster.said))
