"""`kubelb-xds ccm` as a process of its own: what it says, its pages, and how it ends."""

import signal
from pathlib import Path

import aiohttp
import pytest

from tests.kube.ccm.clusters import BOUND, POLICY, Clusters
from tests.support.command import Serving, run, serving
from xds.app.demo.waiting import poll


def arguments(clusters: Clusters, **proxies: str) -> list[str]:
    """Return the command's arguments for two clusters."""
    here, there = clusters.kubeconfigs(**proxies)
    return [
        *("--cluster-name", clusters.cluster, "--own-namespace", clusters.namespace),
        *("--kubeconfig", str(here), "--management-kubeconfig", str(there)),
    ]


async def page(process: Serving, path: str) -> tuple[int, str]:
    """Return a page's status and text."""
    (address,) = [line["address"] for line in process.lines if line["event"] == "serving ops"]
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}") as response:
        return response.status, await response.text()


async def test_its_pages_and_its_end(clusters: Clusters) -> None:
    """It is alive at once, ready when both clusters are known, measured; with SIGTERM it gives up the lease and ends with 0."""
    await clusters.node("one", ("ExternalIP", "192.0.2.1"))
    async with clusters.proxies() as (_, management):
        management.refuse()
        async with serving(arguments(clusters, management=management.url), command="ccm") as process:
            started = await process.logged("following Services")
            assert started["namespace"] == clusters.home
            await process.logged("informer interrupted")
            assert await page(process, "/healthz") == (200, "alive\n")
            status, text = await page(process, "/readyz")
            assert status == 503
            assert f"LoadBalancer in {clusters.home}: connection refused" in text
            await management.accept()

            async def ready() -> int:
                return (await page(process, "/readyz"))[0]

            await poll(ready, lambda found: found == 200, within=BOUND, what="readiness")
            made = await clusters.create()
            wrong = await clusters.create("wrong", annotations={POLICY: "no"})
            await clusters.copied(made)
            await clusters.told(wrong, "InvalidBackendTLSPolicy")
            _, metrics = await page(process, "/metrics")
            for line in (
                "kubelb_ccm_leading 1.0",
                "kubelb_ccm_services 2.0",
                "kubelb_ccm_orphans 0.0",
                "kubelb_ccm_node_addresses 1.0",
                'kubelb_xds_informer_synced{kind="Service",namespace=""} 1.0',
                f'kubelb_xds_informer_synced{{kind="LoadBalancer",namespace="{clusters.home}"}} 1.0',
            ):
                assert line in metrics
            # An API server that is away is no reason to be unready.
            management.refuse()
            management.cut_all()
            assert await ready() == 200
            process.send(signal.SIGTERM)
            code, _ = await process.ended()
    assert code == 0
    assert [line["event"] for line in process.lines][-4:] == [
        "stopping",
        "leads no more: this replica writes nothing",
        "lease released",
        "stopped",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "Missing option '--cluster-name'"),
        (("--cluster-name", "Primary"), "'tenant-Primary' cannot be a namespace"),
        (("--cluster-name", "primary"), "Missing option '--management-kubeconfig'"),
    ],
)
def test_what_is_wrong_with_the_options(given: tuple[str, ...], said: str) -> None:
    """It is one line on stderr that names the option, with exit code 2."""
    done = run("ccm", *given)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    """It is one line that names the file."""
    missing = tmp_path / "nowhere.conf"
    done = run(
        "ccm",
        "--cluster-name",
        "primary",
        "--kubeconfig",
        str(missing),
        "--management-kubeconfig",
        str(missing),
    )
    assert done.returncode == 2
    assert str(missing) in done.stderr
    assert done.stderr.count("\n") == 1
