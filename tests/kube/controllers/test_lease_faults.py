"""What becomes of a leader when the API server fails it, or when somebody else writes the Lease."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.kube.controllers.electing import BOUND, QUICK, Replica, lease, replica, until_seen
from tests.support.fault_proxy import FaultProxy
from xds.app.demo.waiting import poll

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faults import Request
    from tests.support.kube_api import ApiServer
    from tests.support.kube_client import ApiClient

RIGHTS = ("get", "create", "patch")
MAX_INT32 = 2**31 - 1


def rules(*verbs: str) -> list[dict[str, Any]]:
    """Return the rules of a role for leases."""
    return [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": list(verbs)}]


def patches(request: Request) -> bool:
    """Match renewals, and what else is written to a Lease that exists."""
    return request.method == "PATCH"


async def says(running: Replica, text: str) -> None:
    """Wait until a replica says what is wrong."""

    async def probe() -> str:
        await asyncio.sleep(0)
        return running.election.error

    await poll(probe, lambda error: text in error, within=BOUND, what=f"an error with {text!r}", every=0.01)


async def test_an_api_server_that_is_gone(own_api_server: ApiServer, tmp_path: Path) -> None:
    """Leading ends before the lease would, the outage is one line of log, and with the API server back it leads again."""
    namespace = await own_api_server.namespace()
    async with replica(own_api_server.kubeconfig(tmp_path), namespace, "a") as first:
        begun = await first.leads()
        with capture_logs() as logs:
            async with own_api_server.client() as admin:
                before = (await admin.get(lease(namespace)))["spec"]
            await own_api_server.kill()
            ended = await first.ends()
            assert ended - begun < BOUND
            assert not first.election.leading
            await says(first, "connection refused")
            await own_api_server.start_again()
            await first.leads(2)
        assert first.changes == [True, False, True]
        assert first.election.error == ""
        warnings = [line["error"] for line in logs if line["log_level"] == "warning"]
        assert 1 <= len(warnings) <= 3  # broken, refused
        async with own_api_server.client() as admin:
            after = (await admin.get(lease(namespace)))["spec"]
        assert after["acquireTime"] == before["acquireTime"]  # nobody else held it
        assert after.get("leaseTransitions", 0) == 0


async def test_leading_ends_before_the_lease(own_api_server: ApiServer, tmp_path: Path) -> None:
    """While the API server holds still, leading ends before the lease's duration since the last renewal is over."""
    namespace = await own_api_server.namespace()
    async with FaultProxy(own_api_server.url, own_api_server.authority) as proxy:
        kubeconfig = own_api_server.kubeconfig(tmp_path, own_api_server.admin_identity, server=proxy.url)
        async with replica(kubeconfig, namespace, "a") as first:
            await first.leads()
            await proxy.saw(lambda it: patches(it) and it.status == 200, count=3)
            own_api_server.pause()
            try:
                ended = await first.ends()
            finally:
                own_api_server.resume()
            renewed = max(
                it.moment for it in proxy.requests if it.method != "GET" and it.status in {200, 201}
            )
            assert ended < renewed + QUICK.duration
            await first.leads(2)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_errors_in_between(
    status: int, api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Errors that pass before the renew deadline change nothing, also when the write was done and its answer lost."""
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with replica(kubeconfig, namespace, "a") as first:
        await first.leads()
        rule = fault_proxy.answer(status, when=patches, times=2)
        lost = fault_proxy.cut(patches, times=1)
        await fault_proxy.saw(lambda it: patches(it) and rule.hits == 2 and lost.hits == 1)
        seen = len(fault_proxy.requests)
        await fault_proxy.saw(
            lambda it: patches(it) and it in fault_proxy.requests[seen:] and it.status == 200
        )
        assert first.election.leading
        assert first.changes == [True]


async def test_garbage_is_a_failure(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Answers that are no Lease do not make it lead, and do not end it before its time."""
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    everything = fault_proxy.garbage(lambda _: True)
    async with replica(kubeconfig, namespace, "a") as first:
        await says(first, "an answer that is no Lease")
        assert first.changes == []
        everything.heal()
        await first.leads()
        fault_proxy.garbage(patches, b'{"metadata": {"resourceVersion": "1"}, "spec": {}}', times=1)
        seen = len(fault_proxy.requests)
        await fault_proxy.saw(lambda it: patches(it) and it in fault_proxy.requests[seen + 2 :])
        assert first.changes == [True]


async def test_a_conflict_over_a_label_changes_nothing(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Somebody labels the Lease: the next renewal meets the conflict, looks, and goes through at once; the label stays."""
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with replica(kubeconfig, namespace, "a") as first:
        await first.leads()
        await admin.patch(lease(namespace), {"metadata": {"labels": {"team": "edge"}}})
        conflict = await fault_proxy.saw(lambda it: it.status == 409)
        again = await fault_proxy.saw(
            lambda it: patches(it) and it.moment > conflict.moment and it.status == 200
        )
        assert again.moment - conflict.moment < QUICK.renew
        assert first.changes == [True]
        assert (await admin.get(lease(namespace)))["metadata"]["labels"] == {"team": "edge"}


@pytest.mark.parametrize(
    "nonsense",
    [
        {"holderIdentity": "somebody", "leaseTransitions": MAX_INT32, "leaseDurationSeconds": 1},
        {"holderIdentity": "a", "acquireTime": "1999-01-01T00:00:00.000000Z"},
        {"holderIdentity": "�" * 1000, "renewTime": "9999-01-01T00:00:00.000000Z"},
        {"holderIdentity": None, "acquireTime": None, "renewTime": None, "leaseDurationSeconds": None},
        None,
    ],
)
async def test_nonsense_in_the_lease(
    nonsense: dict[str, Any] | None, api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Whatever somebody else writes ends leading at once; nobody leads for the lease's duration, then one does again."""
    async with replica(api_server.kubeconfig(tmp_path), namespace, "a") as first:
        await first.leads()
        await admin.patch(lease(namespace), {"spec": nonsense})
        ended = await first.ends()
        begun = await first.leads(2)
        assert begun - ended > QUICK.duration - 0.3
        spec = (await admin.get(lease(namespace)))["spec"]
        assert spec["holderIdentity"] == "a"
        assert 0 <= spec.get("leaseTransitions", 0) < 3


async def test_a_deleted_lease_is_created_anew(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Who leads goes on, and creates the Lease that somebody deleted; who waits does not take the chance."""
    kubeconfig = api_server.kubeconfig(tmp_path)
    async with (
        replica(kubeconfig, namespace, "a") as first,
        replica(kubeconfig, namespace, "b", after=first) as second,
    ):
        for _ in range(5):
            await admin.delete(lease(namespace))

            async def names() -> list[str]:
                leases = await admin.list("coordination.k8s.io/v1", "Lease", namespace)
                return [each["spec"]["holderIdentity"] for each in leases["items"]]

            await poll(names, lambda holders: holders == ["a"], within=BOUND, what="the Lease, a's again")
        await until_seen(second, "a")
        assert (first.changes, second.changes) == ([True], [])


@pytest.mark.parametrize("missing", RIGHTS)
async def test_a_right_that_is_missing(
    missing: str, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """Without one of its rights it does not lead for long, says which rights it needs, and leads once it is given them."""
    someone = api_server.identity()
    await api_server.allow(someone, rules(*(right for right in RIGHTS if right != missing)), namespace)
    async with replica(api_server.kubeconfig(tmp_path, someone), namespace, "a") as first:
        await says(first, "403 Forbidden")
        assert (
            "its role needs get, create and patch of leases in apiGroup 'coordination.k8s.io' in namespace "
            f"{namespace!r}" in first.election.error
        )
        if missing == "patch":
            await first.ends()  # it could create, and not renew
        assert not first.election.leading
        await api_server.allow(someone, rules(*RIGHTS), namespace)
        await first.leads(2 if missing == "patch" else 1)
        assert first.election.error == ""


async def test_a_namespace_that_is_missing(api_server: ApiServer, tmp_path: Path) -> None:
    """A namespace that does not exist is named."""
    async with replica(api_server.kubeconfig(tmp_path), "nowhere", "a") as first:
        await says(first, "does namespace 'nowhere' exist?")
        assert first.changes == []


async def test_a_lapse_is_heard(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    """One that led, did not for a moment and leads again hears both, and a listener that fails takes no other with it."""
    async with replica(api_server.kubeconfig(tmp_path), namespace, "a") as first:
        await first.leads()
        await first.pause()

        def fail(_: bool) -> None:
            raise ValueError

        first.election.subscribe(fail)
        later: list[bool] = []
        first.election.subscribe(later.append)()  # ended before it heard anything
        last: list[bool] = []
        first.election.subscribe(last.append)
        await first.ends()
        first.resume()
        await first.leads(2)
        assert (later, last) == ([], [False, True])


async def test_what_a_lease_is_written_with(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A leader sends one request for each renewal and reads nothing; one that waits sends one read."""
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with replica(kubeconfig, namespace, "a") as first:
        await first.leads()
        await fault_proxy.saw(patches, count=5)
        assert [it.method for it in fault_proxy.requests[:7]] == ["GET", "POST", *["PATCH"] * 5]
        headers = fault_proxy.requests[2].headers
        assert headers["Content-Type"] == "application/merge-patch+json"


async def test_release_of_a_lease_that_is_gone(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A Lease that was deleted needs no release: nothing is said about it."""
    async with replica(api_server.kubeconfig(tmp_path), namespace, "a") as first:
        await first.leads()
        await first.pause()
        await admin.delete(lease(namespace))
        with capture_logs() as logs:
            await first.election.release()
        assert [line["log_level"] for line in logs] == ["info"]  # that it leads no more


async def test_release_while_the_api_server_is_gone(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A lease that cannot be given up is not led any more all the same, and stopping takes no longer than one request may."""
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with replica(kubeconfig, namespace, "a") as first:
        await first.leads()
        fault_proxy.refuse()
        fault_proxy.cut_all()
        with capture_logs() as logs:
            await first.election.release()
        assert first.changes == [True, False]
        assert [line["seconds"] for line in logs if line["event"].startswith("lease not released")] == [
            QUICK.duration
        ]
