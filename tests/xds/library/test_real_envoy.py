"""What a report says is what a real Envoy has, while it starts and when it refuses."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.workbench import running_envoy
from xds import CLUSTER, LISTENER, SnapshotCache, Standing, XdsServer
from xds.app.address import HostPort
from xds.app.bootstrap import Bootstrap
from xds.messages import Cluster, Listener, TcpProxy, pack

TENANT = "edge"
WITHIN = 20.0


def listener(name: str, port: int, cluster: str) -> Any:
    """Return a listener that passes every connection on to a cluster."""
    proxy = {"name": "proxy", "typed_config": pack(TcpProxy(stat_prefix=name, cluster=cluster))}
    return Listener(
        name=name,
        address={"socket_address": {"address": "127.0.0.1", "port_value": port}},
        filter_chains=[{"filters": [proxy]}],
    )


def separate_streams(bootstrap: Bootstrap) -> str:
    """Return the bootstrap with a stream for clusters and one for listeners, as KubeLB's own has it."""
    config = yaml.safe_load(bootstrap.yaml())
    resources = config["dynamic_resources"]
    source = resources.pop("ads_config")
    for kind in ("cds_config", "lds_config"):
        del resources[kind]["ads"]
        resources[kind]["api_config_source"] = source
    return yaml.safe_dump(config)


@pytest.mark.parametrize("separate", [False, True], ids=["ADS", "separate streams"])
async def test_a_report_is_what_a_real_envoy_has(
    tmp_path: Path,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
    port: int,
    cache: SnapshotCache,
    server: XdsServer,
    delta: bool,
    separate: bool,
) -> None:
    """Delivered means that Envoy has clusters and listeners; of a good cluster and a bad one the bad one is told."""
    cache.set(TENANT, [Cluster(name="web"), listener("front", free_port(), "web")])
    waiting = asyncio.create_task(server.delivered(TENANT, envoys=1, timeout=WITHIN))
    bootstrap = Bootstrap(
        tenant=TENANT,
        xds_address=HostPort("127.0.0.1", port),
        node_id="an-envoy",
        api="delta" if delta else "sotw",
    )
    text = separate_streams(bootstrap) if separate else bootstrap.yaml()
    async with running_envoy(text, tmp_path, ready=False) as envoy:
        report = await waiting
        assert report, str(report)
        dump = await envoy.admin.config_dump()
        assert "web" in dump.clusters
        assert "front" in {**dump.listeners, **dump.warming_listeners}

        cache.update(TENANT, [Cluster(name="good"), Cluster(name="bad", lb_policy="CLUSTER_PROVIDED")])
        report = await server.delivered(TENANT, timeout=WITHIN)
        (refusal,) = report.refused
        assert (refusal.node, refusal.type_url, refusal.name) == ("an-envoy", CLUSTER, "bad")
        assert "cluster provided LB specified" in refusal.text
        assert report.waiting == ()
        (connected,) = server.delivery.envoys(TENANT)
        assert len(connected.streams) == (2 if separate else 1)
        assert connected.standing(CLUSTER, "good") == Standing.ACKED
        assert connected.standing(CLUSTER, "bad") == Standing.REFUSED
        dump = await envoy.admin.config_dump()
        assert {"web", "good"} <= set(dump.clusters)

        cache.update(TENANT, [Cluster(name="bad")])
        assert await server.delivered(TENANT, [(CLUSTER, "bad"), (LISTENER, "front")], timeout=WITHIN)
        assert connected.refusals == ()
