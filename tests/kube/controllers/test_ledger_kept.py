from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kube.client import ApiError, Unreachable
from kube.controllers import ledger
from kube.controllers.ledger import ChangedMeanwhileError, LedgerFullError, LedgerTooNewError
from kube.controllers.port_controller import NotLeadingError
from kube.controllers.ports import POOL, Holdings, Key, Rest
from tests.kube.controllers.allocating import Allocator, Clock, allocator, configmap, written
from tests.kube.controllers.port_things import lb
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

HELD = Holdings({Key("web", "TCP", "https"): 20001})


@pytest_asyncio.fixture
async def leader(fault_proxy: FaultProxy, api_server: ApiServer, tmp_path: Path) -> AsyncIterator[Allocator]:
    """Allocate through a proxy with nothing but the rights that this needs."""
    someone = api_server.identity()
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]
    await api_server.allow(someone, rules)
    async with allocator(api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)) as it:
        yield it


def writes(request: Request) -> bool:
    """Match what changes the ledger."""
    return request.method in {"POST", "PATCH"}


async def test_a_ledger_is_created_and_altered(leader: Allocator, admin: ApiClient, namespace: str) -> None:
    """It has its name and label; what others add to it stays."""
    assert await ledger.read(leader.api, namespace) == (Holdings(), "", ())
    first = await ledger.write(leader.api, namespace, HELD, version="")
    assert await ledger.read(leader.api, namespace) == first
    await admin.patch(
        configmap(namespace), {"metadata": {"labels": {"team": "a"}}, "data": {"note": "hands off"}}
    )
    noted = await ledger.read(leader.api, namespace)
    await ledger.write(leader.api, namespace, Holdings(), version=noted.version)
    found = await admin.get(configmap(namespace))
    assert found["metadata"]["labels"] == {"team": "a", "kubelb.k8c.io/managed-by": "kubelb-xds"}
    assert found["data"] == {"note": "hands off", "ports.json": '{"version":1,"ports":{},"resting":{}}'}


@pytest.mark.parametrize("fate", ["created", "changed", "deleted", "recreated"])
async def test_who_read_an_older_version_writes_nothing(
    leader: Allocator, admin: ApiClient, namespace: str, fate: str
) -> None:
    """Whatever became of the ledger since it was read, it is not written over."""
    found = ledger.Ledger(Holdings(), "")
    if fate != "created":
        found = await ledger.write(leader.api, namespace, HELD, version="")
    if fate in {"deleted", "recreated"}:
        await admin.delete(configmap(namespace))
    if fate in {"created", "recreated"}:
        await admin.create(configmap(namespace, "{}"))
    if fate == "changed":
        await admin.patch(configmap(namespace), {"data": {"note": "hands off"}})
    with pytest.raises(ChangedMeanwhileError):
        await ledger.write(leader.api, namespace, HELD, version=found.version)


async def test_nothing_is_asked_while_nothing_changes(
    leader: Allocator, fault_proxy: FaultProxy, namespace: str
) -> None:
    """The first allocation reads and writes once; the same again costs no request, and another object for the same neither."""
    await leader.ports(namespace, lb("web", "https:443"))
    assert [request.method for request in fault_proxy.requests] == ["GET", "POST"]
    first = await leader.controller.allocate(namespace, {"web": lb("web", "https:443")})
    again = await leader.controller.allocate(namespace, {"web": lb("web", "https:443")})
    assert first == again
    assert len(fault_proxy.requests) == 2


async def test_no_loadbalancer_no_ledger(leader: Allocator, fault_proxy: FaultProxy, namespace: str) -> None:
    """A tenant that has nothing gets no object."""
    assert await leader.ports(namespace) == {}
    assert [request.method for request in fault_proxy.requests] == ["GET"]


async def test_who_does_not_lead_asks_nothing(
    leader: Allocator, fault_proxy: FaultProxy, namespace: str
) -> None:
    """Neither a read nor a write leaves a replica that is not the leader."""
    leader.leader.leading = False
    with pytest.raises(NotLeadingError):
        await leader.ports(namespace, lb("web"))
    assert len(fault_proxy.requests) == 0


async def test_who_loses_the_lead_while_reading_writes_nothing(
    leader: Allocator, fault_proxy: FaultProxy, namespace: str
) -> None:
    """Leadership is looked at once more right before the write."""

    def lose(body: bytes) -> bytes:
        leader.leader.leading = False
        return body

    await leader.ports(namespace, lb("web"))
    fault_proxy.rewrite(lambda request: request.method == "GET", lose)
    with pytest.raises(NotLeadingError):
        await leader.ports(namespace, lb("web"), lb("new"))
    assert len([request for request in fault_proxy.requests if writes(request)]) == 1


async def test_a_write_whose_answer_is_lost_gives_the_same_ports_next_time(
    leader: Allocator, fault_proxy: FaultProxy, admin: ApiClient, namespace: str
) -> None:
    """Nobody knows whether it was done: the ledger is read again, and nothing is written twice."""
    fault_proxy.cut(writes, times=1)
    with pytest.raises(Unreachable):
        await leader.ports(namespace, lb("web", "https:443"))
    before = await admin.get(configmap(namespace))
    told = await leader.ports(namespace, lb("web", "https:443"))
    assert (await written(admin, namespace))["ports"] == {"web": {"https/TCP": told["web"][0]}}
    assert await admin.get(configmap(namespace)) == before


async def test_a_refusal_is_told_and_nothing_given(
    leader: Allocator, fault_proxy: FaultProxy, namespace: str
) -> None:
    """Without the right to write there is no port; once there is, the allocation goes on."""
    rule = fault_proxy.answer(403, when=writes)
    with pytest.raises(ApiError) as refused:
        await leader.ports(namespace, lb("web"))
    assert refused.value.status == 403
    rule.heal()
    assert await leader.ports(namespace, lb("web"))


async def test_a_namespace_that_is_gone_is_no_conflict(leader: Allocator) -> None:
    """There is no use in another attempt."""
    with pytest.raises(ApiError) as refused:
        await leader.ports("tenant-nowhere", lb("web"))
    assert refused.value.status == 404


async def test_a_damaged_ledger_is_mended_from_the_statuses(
    leader: Allocator, admin: ApiClient, namespace: str
) -> None:
    """What a person broke is written anew, and every port that a status records is the same as before."""
    await admin.create(configmap(namespace, "{ports: broken by hand"))
    told = await leader.ports(namespace, lb("web", "https:443", recorded=["https:443=20001"]))
    assert told == {"web": [20001]}
    assert (await written(admin, namespace))["ports"] == {"web": {"https/TCP": 20001}}


async def test_damage_is_mended_though_nothing_else_is_to_be_done(
    leader: Allocator, admin: ApiClient, namespace: str
) -> None:
    """It is not complained of again and again."""
    content = '{"version":1,"ports":{"web":{"https/TCP":20001},"zzz":{"by-hand/TCP":20001}}}'
    await admin.create(configmap(namespace, content))
    assert await leader.ports(namespace, lb("web", "https:443")) == {"web": [20001]}
    assert (await written(admin, namespace))["ports"] == {"web": {"https/TCP": 20001}}


async def test_a_ledger_of_a_later_version_is_left_alone(
    leader: Allocator, admin: ApiClient, namespace: str
) -> None:
    """It stays as it is, and nothing is given."""
    content = '{"version":2,"ports":[]}'
    await admin.create(configmap(namespace, content))
    with pytest.raises(LedgerTooNewError):
        await leader.ports(namespace, lb("web"))
    assert (await admin.get(configmap(namespace)))["data"]["ports.json"] == content


async def test_a_deleted_ledger_comes_back_within_a_minute(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """What was read once is believed for 60 s; then the ledger is looked at again, and written anew."""
    clock = Clock()
    web = lb("web", "https:443", recorded=["https:443=20001"])
    async with allocator(api_server.kubeconfig(tmp_path), clock) as leader:
        await leader.ports(namespace, web)
        await admin.delete(configmap(namespace))
        clock.now += 60
        assert await leader.ports(namespace, web) == {"web": [20001]}
    assert (await written(admin, namespace))["ports"] == {"web": {"https/TCP": 20001}}


async def test_what_becomes_unreadable_keeps_its_port(
    leader: Allocator, admin: ApiClient, namespace: str
) -> None:
    """As long as it exists; once it is gone its port rests, though nothing else has changed."""
    web, odd = lb("web", "https:443"), lb("odd", "https:443")
    told = await leader.ports(namespace, web, odd)
    assert [*await leader.controller.allocate(namespace, {"web": web}, unread=["odd"])] == ["web"]
    assert (await written(admin, namespace))["ports"]["odd"] == {"https/TCP": told["odd"][0]}
    await leader.ports(namespace, web)
    assert [*(await written(admin, namespace))["ports"]] == ["web"]


async def test_what_wants_other_ports_is_looked_at(
    leader: Allocator, admin: ApiClient, namespace: str
) -> None:
    """An entry of another name is another one, and so is one of another protocol: the port before it rests."""
    for entry in ("https:443", "tls:443", "tls:443/UDP"):
        told = await leader.ports(namespace, lb("web", entry))
        key = f"{entry.split(':')[0]}/{'UDP' if 'UDP' in entry else 'TCP'}"
        assert (await written(admin, namespace))["ports"] == {"web": {key: told["web"][0]}}


async def test_who_leads_anew_reads_anew(leader: Allocator, fault_proxy: FaultProxy, namespace: str) -> None:
    """What a leader remembers ends with its leadership."""
    await leader.ports(namespace, lb("web"))
    leader.leader.leading = False
    with pytest.raises(NotLeadingError):
        await leader.ports(namespace, lb("web"))
    leader.leader.leading = True
    await leader.ports(namespace, lb("web"))
    assert [request.method for request in fault_proxy.requests] == ["GET", "POST", "GET"]


async def test_what_the_ledger_says_counts(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Whoever moves a port there by hand has it told within a minute, whatever was told before."""
    clock = Clock()
    web = lb("web", "https:443")
    async with allocator(api_server.kubeconfig(tmp_path), clock) as leader:
        await leader.ports(namespace, web)
        content = ledger.encode(Holdings({Key("web", "TCP", "https"): 20002}))
        await admin.patch(configmap(namespace), {"data": {ledger.CONTENT: content}})
        clock.now += 60
        assert await leader.ports(namespace, web) == {"web": [20002]}


async def test_a_full_ledger_refuses_new_ports_and_frees_others(
    leader: Allocator, admin: ApiClient, namespace: str
) -> None:
    """What is given stays, what is gone is freed, who is new is told why; all is well once there is room."""
    long = {f"{number:0>60}.{'x' * 63}.{'y' * 63}.{'z' * 58}": 20000 + number for number in range(3700)}
    held = Holdings({Key(name, "TCP", "https"): port for name, port in long.items()})
    assert len(ledger.encode(held)) > ledger.LIMIT
    await ledger.write(leader.api, namespace, held, version="", limit=ledger.MOST)
    old = {name: lb(name, "https:443") for name in [*long][1:]}
    told = await leader.controller.allocate(namespace, old | {"new": lb("new", "https:443")})
    assert [refusal.reason for refusal in told["new"].refusals] == ["PortLedgerFull"]
    assert {name: told[name].ports[0].target_port for name in old} == {name: long[name] for name in old}
    assert len((await written(admin, namespace))["resting"]) == 1
    few = {name: old[name] for name in [*old][:100]}
    told = await leader.controller.allocate(namespace, few | {"new": lb("new", "https:443")})
    assert not told["new"].refusals


async def test_who_was_refused_gets_the_port_that_has_rested(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """With every port taken but one that rests, a refusal says when to ask again, and then the same question has that port."""
    clock = Clock()
    ports = [POOL.nth(index) for index in range(POOL.size)]
    held = {Key("x", "TCP", f"{number:x}"): port for number, port in enumerate(ports[1:])}
    resting = {("TCP", ports[0]): Rest("gone", int(clock.now) - 290)}
    wanted = {"web": lb("web", "https:443")}
    async with allocator(api_server.kubeconfig(tmp_path), clock) as leader:
        await ledger.write(leader.api, namespace, Holdings(held, resting), version="")
        refused = (await leader.controller.allocate(namespace, wanted, unread=["x"]))["web"].refusals[0]
        assert refused.reason == "ListenerPortsExhausted"
        assert refused.retry_at == clock.now + 10
        clock.now = refused.retry_at
        told = await leader.controller.allocate(namespace, wanted, unread=["x"])
    assert told["web"].ports[0].target_port == ports[0]


def test_the_error_names_the_limit() -> None:
    """Size and limit stand in the text."""
    text = str(LedgerFullError(2_000_000, ledger.LIMIT))
    assert text == (
        "ports.json of the ConfigMap kubelb-xds-ports would take 2000000 bytes, 983040 at most: the API server takes 1 MiB"
    )
