"""Every golden output, served over ADS to one real Envoy: what Envoy then has is what the golden files say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import LOOPBACK
from tests.support.updates import Updates
from tests.support.workbench import running_envoy
from tests.xds.translate.golden import cases
from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.demo.waiting import poll
from xds.app.pipeline import TYPES
from xds.messages import Cluster, ClusterLoadAssignment, Listener, from_dict, to_dict
from xds.server import XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, LISTENER

pytestmark = pytest.mark.envoy

TENANT = "golden"
WARMING = 30.0
"""Seconds: no backend of the golden files exists, so every health-checked cluster waits for its first time-out."""


def _expected(kind: str, name_field: str) -> dict[str, dict[str, Any]]:
    return {one[name_field]: one for case in cases() for one in case.expected()[kind]}


def _normal(cls: type[Any], fields: Any) -> dict[str, Any]:
    """Return Envoy's JSON as our own messages write it: defaults and durations in one form."""
    return to_dict(from_dict(cls, dict(fields)))


def _addresses(assignment: Any) -> set[tuple[str, int]]:
    return {
        (address["address"], address["port_value"])
        for locality in assignment.get("endpoints", ())
        for endpoint in locality.get("lb_endpoints", ())
        for address in [endpoint["endpoint"]["address"]["socket_address"]]
    }


@pytest.mark.usefixtures("envoy_binary")
async def test_envoy_has_what_the_golden_files_say(
    tmp_path: Path, api: Api, free_port: Callable[..., int]
) -> None:
    """Clusters, listeners and endpoints in Envoy's config dump equal the golden outputs, and nothing was rejected."""
    clusters, listeners = _expected("clusters", "name"), _expected("listeners", "name")
    assignments = _expected("assignments", "cluster_name")
    cache, updates = SnapshotCache(TYPES), Updates()
    cache.update(
        TENANT,
        [resource for case in cases() for one in case.translations().values() for resource in one.resources],
    )
    server = XdsServer(cache, observer=updates)
    port = await server.start(f"{LOOPBACK}:{free_port()}")
    bootstrap = Bootstrap(tenant=TENANT, xds_address=HostPort(LOOPBACK, port), node_id="golden", api=api)
    try:
        async with running_envoy(bootstrap.yaml(), tmp_path, ready=False) as envoy:
            await updates.acked_any(CLUSTER, since=0, within=WARMING)
            await updates.acked_any(LISTENER, since=0, within=WARMING)
            await envoy.ready(within=WARMING)
            dump = await poll(
                envoy.admin.config_dump,
                lambda dump: set(dump.endpoints) >= set(assignments) and not dump.warming_clusters,
                within=WARMING,
                what="every assignment in Envoy",
            )
            rejected = await envoy.admin.stats("update_rejected|listener_create_failure")
    finally:
        await server.stop()
    assert updates.refused == []
    assert rejected
    assert not any(rejected.values())
    served = {name: one for name, one in dump.clusters.items() if name != "xds_cluster"}
    assert {name: _normal(Cluster, one) for name, one in served.items()} == clusters
    assert {name: _normal(Listener, one) for name, one in dump.listeners.items()} == listeners
    for name, assignment in assignments.items():
        served_addresses = _addresses(_normal(ClusterLoadAssignment, dump.endpoints[name]))
        assert served_addresses == _addresses(assignment), name
