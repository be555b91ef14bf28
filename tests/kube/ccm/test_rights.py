"""What deploy/ccm lets the program do is what it needs: without any one verb something is refused, and with all of them nothing is."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import pytest

from tests.kube.ccm.clusters import BOUND, CA, GROUP, POLICY, Clusters, rules
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request
from xds.app.demo.waiting import poll


class Verb(NamedTuple):
    """One verb of one rule: of a side's role."""

    side: str
    kind: str
    rule: int
    verb: str

    def __str__(self) -> str:
        rule = rules(self.side, self.kind)[self.rule]
        return f"{self.side}-{','.join(rule['resources'])}-{self.verb}"


ROLES = (("tenant", "ClusterRole"), ("tenant", "Role"), ("management", "Role"))
VERBS = [
    Verb(side, kind, number, verb)
    for side, kind in ROLES
    for number, rule in enumerate(rules(side, kind))
    for verb in rule["verbs"]
]


async def without(clusters: Clusters, missing: Verb) -> None:
    """Have the program be somebody who has all rights of deploy/ccm but one verb, and never had that."""
    here = missing.side == "tenant"
    server = clusters.tenant_server if here else clusters.management_server
    identity = server.identity()
    for side, kind in ROLES:
        if side != missing.side:
            continue
        left = [{**rule, "verbs": [*rule["verbs"]]} for rule in rules(side, kind)]
        if kind == missing.kind:
            left[missing.rule]["verbs"].remove(missing.verb)
        namespace = clusters.namespace if here else clusters.home
        granted = [rule for rule in left if rule["verbs"]]
        await server.allow(identity, granted, "" if kind == "ClusterRole" else namespace)
    if here:
        clusters.tenant_identity = identity
    else:
        clusters.management_identity = identity


async def live(clusters: Clusters, proxies: tuple[FaultProxy, FaultProxy]) -> list[Request]:  # noqa: C901 — a story
    """Have the program do all that it ever does, and return what was refused; it ends with the first refusal."""

    def refused() -> list[Request]:
        return [request for proxy in proxies for request in proxy.requests if request.status == 403]

    async def until(what: str, done: Callable[[], Awaitable[bool]]) -> bool:
        async def probe() -> bool:
            return bool(refused()) or await done()

        await poll(probe, bool, within=BOUND, what=what)
        return bool(refused())

    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
    uid = (await clusters.tenant.get(home))["metadata"]["uid"]
    made = await clusters.create(annotations={CA: "ca"})
    wrong = await clusters.create("wrong", annotations={POLICY: "wrong"})
    orphan = {**made, "metadata": {**made["metadata"], "uid": "an-orphan"}}
    for service in (wrong, orphan):
        labels = {
            "kubelb.k8c.io/origin-name": service["metadata"]["name"],
            "kubelb.k8c.io/origin-ns": clusters.namespace,
            "kubelb.k8c.io/tenant": clusters.home,
            "kubelb.k8c.io/managed-by": "kubelb-ccm",
        }
        copy = clusters.copy_of(service)
        copy["metadata"] |= {"labels": labels, "annotations": {"kubelb.k8c.io/tenant-cluster": uid}}
        endpoints = [{"addresses": [{"ip": "192.0.2.9"}], "ports": [{"port": 9}]}]
        await clusters.management.create({**copy, "spec": {"endpoints": endpoints}})
    tenant, management = proxies

    async def told(times: int) -> bool:
        events = [each for each in await clusters.events(made) if each["reason"] == "NoReadyNodes"]
        total: int = sum(each["count"] for each in events)
        return total == times

    async def forwarded(address: str) -> bool:
        found = await clusters.find(clusters.management, clusters.addresses)
        addresses = [each["ip"] for each in found["spec"]["addresses"]] if found else []
        return addresses == [address]

    async def come_and_go() -> bool:
        """Have a node come and go twice: what is told when it has gone is told once more."""
        for times, address in enumerate(("192.0.2.1", "192.0.2.2"), 2):
            await clusters.node("one", ("ExternalIP", address))
            if await until("its address", partial(forwarded, address)):
                return True
            await clusters.tenant.delete({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}})
            if await until(f"an Event, {times} times", partial(told, times)):
                return True
        return False

    async def settled() -> bool:
        found = await clusters.tenant.get(made)
        copies = (await clusters.management.list(GROUP, "LoadBalancer", clusters.home))["items"]
        names = {each["metadata"]["name"] for each in copies if each["spec"]["type"] == "LoadBalancer"}
        return (
            bool(found["status"].get("conditions"))
            and names == {made["metadata"]["uid"], wrong["metadata"]["uid"]}
            and len(copies) == len(names)
            and bool(await clusters.find(clusters.management, clusters.addresses))
        )

    async with clusters.ccm(tenant=tenant.url, management=management.url):
        if await until("an Event", partial(told, 1)) or await come_and_go():
            return refused()
    before = len(tenant.requests)

    async def looked() -> bool:
        return any(each.method == "GET" and "/events/" in each.path for each in tenant.requests[before:])

    async with clusters.ccm(tenant=tenant.url, management=management.url):
        if await until("a look at the Event of before", looked):
            return refused()
    await clusters.node("one", ("ExternalIP", "192.0.2.1"))
    async with clusters.ccm(tenant=tenant.url, management=management.url):
        await until("all that is to be", settled)
    return refused()


async def test_all_of_them_are_enough(clusters: Clusters) -> None:
    """Whatever it does, nothing is refused."""
    async with clusters.proxies() as proxies:
        assert await live(clusters, proxies) == []


@pytest.mark.parametrize("missing", VERBS, ids=str)
async def test_each_of_them_is_needed(clusters: Clusters, missing: Verb) -> None:
    """Taken away, it is what the API server refuses."""
    await without(clusters, missing)
    async with clusters.proxies() as proxies:
        assert await live(clusters, proxies)
