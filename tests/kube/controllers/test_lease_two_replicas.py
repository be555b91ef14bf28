"""Two replicas and one lease, on the real API server: never two that believe in themselves."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.kube.controllers.electing import BOUND, QUICK, lease, replica, until_seen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fault_proxy import FaultProxy
    from tests.support.kube_api import ApiServer
    from tests.support.kube_client import ApiClient

MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_one_leads_and_renews(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """The first one creates the Lease and keeps renewing it; the second one leads at no moment, and knows who does."""
    kubeconfig = api_server.kubeconfig(tmp_path)
    async with replica(kubeconfig, namespace, "a") as first:
        await first.leads()
        spec = (await admin.get(lease(namespace)))["spec"]
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("a", 3)
        assert spec.get("leaseTransitions", 0) == 0
        assert MICRO_TIME.fullmatch(spec["acquireTime"])
        assert MICRO_TIME.fullmatch(spec["renewTime"])
        async with (
            replica(kubeconfig, namespace, "b") as second,
            admin.watch("coordination.k8s.io/v1", "Lease", namespace) as events,
        ):
            renewals: set[str] = set()
            async with asyncio.timeout(BOUND):
                async for event in events:
                    seen = event["object"]["spec"]
                    assert (seen["holderIdentity"], seen["acquireTime"]) == ("a", spec["acquireTime"])
                    renewals.add(seen["renewTime"])
                    if len(renewals) > 2 * QUICK.duration / QUICK.retry and second.election.holder == "a":
                        break
            assert first.election.leading
            assert not second.election.leading
            assert (first.changes, second.changes) == ([True], [])


async def test_a_leader_that_stops_renewing(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """The other one leads after the lease's duration; the first one has ended by its own clock before that."""
    kubeconfig = api_server.kubeconfig(tmp_path)
    async with (
        replica(kubeconfig, namespace, "a") as first,
        replica(kubeconfig, namespace, "b", after=first) as second,
    ):
        await first.pause()
        begun = await second.leads()
        assert first.changes == [True, False]
        assert await first.ends() < begun
        assert not first.election.leading
        spec = (await admin.get(lease(namespace)))["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("b", 1)
        first.resume()
        await until_seen(first, "b")
        assert first.changes == [True, False]


async def test_a_leader_that_is_cut_off(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A leader whose requests hang leads no more before the other one begins; what hung does nothing when it gets through."""
    through = api_server.kubeconfig(tmp_path, server=fault_proxy.url, name="through")
    async with (
        replica(through, namespace, "a") as first,
        replica(api_server.kubeconfig(tmp_path), namespace, "b", after=first) as second,
    ):
        hanging = fault_proxy.hang()
        begun = await second.leads()
        assert await first.ends() < begun
        assert first.changes == [True, False]
        assert "no answer from" in first.election.error
        hanging.heal()
        await until_seen(first, "b")
        assert first.changes == [True, False]
        assert second.changes == [True]


async def test_release_on_stop(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A leader that stops gives the lease up after it has ended to lead, and the other one leads within a retry period."""
    patient = replace(QUICK, duration=60, renew=40, retry=1)
    kubeconfig = api_server.kubeconfig(tmp_path)
    async with (
        replica(kubeconfig, namespace, "a", timing=patient) as first,
        replica(kubeconfig, namespace, "b", timing=patient, after=first) as second,
    ):
        await first.election.release()
        ended = await first.ends()
        begun = await second.leads()
        assert ended < begun < ended + patient.retry + 2
        assert not first.election.leading
        async with asyncio.timeout(BOUND):
            await first.task  # there is nothing more to run for
        assert (await admin.get(lease(namespace)))["spec"]["leaseTransitions"] == 1
        await first.election.release()  # another's lease is not given up
        assert (await admin.get(lease(namespace)))["spec"]["holderIdentity"] == "b"


async def test_a_released_lease_says_so(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """What is left of a lease that was given up has no holder and the duration of one second, as client-go leaves it."""
    async with replica(api_server.kubeconfig(tmp_path), namespace, "a") as first:
        await first.leads()
        await first.election.release()
        spec = (await admin.get(lease(namespace)))["spec"]
        assert "holderIdentity" not in spec
        assert spec["leaseDurationSeconds"] == 1


async def test_a_suspended_process_wakes_up(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A leader's process that was stopped while another took over does not lead in the first moment that it runs again."""
    kubeconfig = api_server.kubeconfig(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kube.controllers.suspended", str(kubeconfig), namespace,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    try:
        async with asyncio.timeout(2 * BOUND):
            assert await process.stdout.readline() == b"leading: True\n"
            async with replica(kubeconfig, namespace, "b") as second:
                await until_seen(second, "a")
                process.send_signal(signal.SIGSTOP)
                await second.leads()
                process.send_signal(signal.SIGCONT)
                process.stdin.write(b"look\n")
                assert await process.stdout.readline() == b"leading: False\n"
                assert await process.stdout.readline() == b"heard: [True, False] holder: b\n"
                assert second.election.leading
                assert (await admin.get(lease(namespace)))["spec"]["holderIdentity"] == "b"
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
