"""Envoy's configuration dump is sorted by what holds, what warms and what was refused."""

from typing import Any

from xds.app.demo.admin import parse_config_dump

_ADMIN = "type.googleapis.com/envoy.admin.v3."


def _cluster(name: str) -> dict[str, Any]:
    return {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": name}}


def _listener(name: str) -> dict[str, Any]:
    return {"listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": name}}


DUMP = {
    "configs": [
        {"@type": f"{_ADMIN}BootstrapConfigDump", "bootstrap": {}},
        {
            "@type": f"{_ADMIN}ClustersConfigDump",
            "static_clusters": [_cluster("xds")],
            "dynamic_active_clusters": [
                _cluster("a"),
                _cluster("b") | {"error_state": {"details": "bad CA"}},
            ],
            "dynamic_warming_clusters": [_cluster("a")],
        },
        {
            "@type": f"{_ADMIN}ListenersConfigDump",
            "dynamic_listeners": [
                {"name": "a", "active_state": _listener("a")},
                {"name": "b", "warming_state": _listener("b")},
                {"name": "c", "error_state": {"details": "duplicate address"}},
            ],
        },
        {
            "@type": f"{_ADMIN}EndpointsConfigDump",
            "dynamic_endpoint_configs": [{"endpoint_config": {"@type": "…", "cluster_name": "a"}}],
        },
    ]
}


def test_every_resource_is_found_by_its_name() -> None:
    """Static, active and warming resources are told apart, and carry no type of their own."""
    dump = parse_config_dump(DUMP)
    assert dump.clusters == {name: {"name": name} for name in ("xds", "a", "b")}
    assert dump.warming_clusters == {"a": {"name": "a"}}
    assert dump.listeners == {"a": {"name": "a"}}
    assert dump.warming_listeners == {"b": {"name": "b"}}
    assert dump.endpoints == {"a": {"cluster_name": "a"}}


def test_refused_updates_are_found_with_their_reason() -> None:
    """A rejected update of a cluster or listener is named with Envoy's text."""
    assert parse_config_dump(DUMP).refused == {"b": "bad CA", "c": "duplicate address"}


def test_an_empty_envoy_has_nothing() -> None:
    """Sections that Envoy leaves out are empty."""
    dump = parse_config_dump({"configs": []})
    assert not any((dump.clusters, dump.warming_clusters, dump.listeners, dump.endpoints, dump.refused))
