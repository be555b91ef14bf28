import importlib
import pkgutil

import envoy_data_plane
import pytest
from envoy_data_plane.message_pool import default_message_pool

from tests.xds.messages.in_use import EXPORTED
from xds.messages import UnknownMessageError, from_dict, message_class, type_url


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Cluster",
        "envoy",
        "envoy.config.cluster.v3",
        "envoy.config.cluster.v3.",
        "envoy.config.cluster.v3.Custer",
        "envoy.config.cluster.v3.Cluster.Custer",
        "envoy.config.cluster.v3.ClusterDiscoveryType",  # a Python name of an enum
        "envoy.config.custer.v3.Cluster",
        "google.protobuf.Long",
        "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    ],
)
def test_an_unknown_name_is_told(name: str) -> None:
    """A name that no message has raises an error that shows the name and where it was looked for."""
    with pytest.raises(UnknownMessageError) as raised:
        message_class(name)
    assert str(raised.value) == f"Envoy's API has no message {name!r}, as far as envoy-data-plane knows it"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("envoy.config.bootstrap.v3.Bootstrap", {"node": {"id": "envoy-1"}}),
        ("envoy.config.route.v3.RouteConfiguration", {"virtual_hosts": [{"name": "web", "domains": ["*"]}]}),
        (
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            {"stat_prefix": "web", "http_filters": [{"name": "router"}]},
        ),
        ("envoy.config.cluster.v3.Cluster.CommonLbConfig", {"healthy_panic_threshold": {"value": 0.0}}),
        ("envoy.service.ratelimit.v3.RateLimitRequest", {"domain": "web", "hits_addend": 2}),
    ],
)
def test_any_other_message_is_made_on_demand(name: str, fields: dict[str, object]) -> None:
    """A message that the module does not export, nested ones too, comes by its full name and encodes."""
    cls = message_class(name)
    message = cls(**fields)
    assert cls.FromString(message.SerializeToString()) == message
    assert type_url(cls) == type_url(message) == f"type.googleapis.com/{name}"


@pytest.mark.parametrize("cls", EXPORTED.values(), ids=EXPORTED.keys())
def test_a_message_has_one_class(cls: type) -> None:
    """Asked by name, an exported message's class is the exported one."""
    assert message_class(cls.DESCRIPTOR.full_name) is cls  # type: ignore[attr-defined]


def test_every_message_of_envoys_api_can_be_made() -> None:
    """Each message of every module of envoy-data-plane, not only those in use, becomes a class that works."""
    for module in pkgutil.walk_packages(envoy_data_plane.__path__, "envoy_data_plane."):
        importlib.import_module(module.name)
    names = [url.removeprefix("type.googleapis.com/") for url in default_message_pool.url_to_type]
    assert len(names) > 2000
    for name in names:
        if not name.startswith("google.protobuf."):  # protobuf's own
            assert message_class(name)().SerializeToString() == b"", name


def test_a_field_may_be_named_by_a_python_keyword() -> None:
    """A field that envoy-data-plane had to rename for Python has its own name here."""
    rules = message_class("validate.StringRules")
    assert from_dict(rules, {"in": ["a", "b"]}) == rules(**{"in": ["a", "b"]})


def test_an_enums_number_may_have_two_names() -> None:
    """Either of two names for one number of an enum is understood."""
    gzip = message_class("envoy.extensions.compression.gzip.compressor.v3.Gzip")
    by_either_name = [gzip(compression_level=name) for name in ("BEST_SPEED", "COMPRESSION_LEVEL_1")]
    assert by_either_name == [gzip(compression_level=1)] * 2
