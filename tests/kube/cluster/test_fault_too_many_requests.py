"""An API server that asks to be left alone for a while."""

import time
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import checks, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request, When, lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


def of_loadbalancers(request: Request) -> bool:
    """Match every request of one informer."""
    return request.path.endswith("/loadbalancers")


@pytest.mark.parametrize("when", [lists("loadbalancers"), watches("loadbalancers")], ids=["list", "watch"])
async def test_seconds_are_kept(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    when: When,
) -> None:
    """After 429 with Retry-After in seconds that informer asks nothing before they are over, and then once."""
    await admin.apply(loadbalancer(namespace))
    fault_proxy.answer(429, headers={"Retry-After": "1"}, when=when, times=1)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await fault_proxy.saw(lambda each: watches("loadbalancers")(each) and each.status == 200)
        requests = [each for each in fault_proxy.requests if of_loadbalancers(each)]
        at = next(number for number, each in enumerate(requests) if each.status == 429)
        assert requests[at + 1].moment - requests[at].moment >= 1.0
        assert len(requests) <= 4  # the list, the watch, one of them again, and the check before it
        await follower.has(loadbalancer(namespace))
        assert follower.status("LoadBalancer").failures == {"http_429": 1}


async def test_a_version_outlives_a_429(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """429 says nothing of the server's past: what was seen counts on, and no list is asked of a server that has enough to do."""
    await admin.apply(loadbalancer(namespace))
    fault_proxy.answer(200, b"", when=watches("loadbalancers"), times=1)
    refused = fault_proxy.answer(429, headers={"Retry-After": "0"}, when=checks("loadbalancers"), times=2)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await watching(fault_proxy, watches("loadbalancers"), count=2)
        assert refused.hits == 2
        status = follower.status("LoadBalancer")
        assert (status.lists, status.failures) == (1, {"http_429": 2})


async def test_a_date_is_kept(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """After 429 with Retry-After as a date that informer asks nothing before then."""
    until = int(time.time()) + 2
    headers = {"Retry-After": formatdate(until, usegmt=True)}
    fault_proxy.answer(429, headers=headers, when=lists("loadbalancers"), times=1)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        _, again = (each for each in fault_proxy.requests if lists("loadbalancers")(each))
        since = time.monotonic() - again.moment
        assert time.time() - since >= until - 0.01
