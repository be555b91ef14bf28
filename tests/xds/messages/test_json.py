from typing import Any

import pytest
from google.protobuf.json_format import ParseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.xds.messages.contents import contents
from tests.xds.messages.in_use import IN_USE
from tests.xds.messages.process import run
from xds.messages import (
    AccessLog,
    Any_,
    Cluster,
    Listener,
    StdoutAccessLog,
    TcpProxy,
    from_dict,
    pack,
    to_dict,
)

LOG = {
    "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "log_format": {"text_format_source": {"inline_string": "%RESPONSE_FLAGS%\n"}},
}
PROXY = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "stat_prefix": "web",
    "cluster": "web",
    "idle_timeout": "3600s",
    "access_log": [{"name": "stdout", "typed_config": LOG}],
}
LISTENER = {"name": "web", "filter_chains": [{"filters": [{"name": "tcp_proxy", "typed_config": PROXY}]}]}

AN_ANY_OF_A_PACKAGE_NOT_IMPORTED = """
import sys
from xds.messages import Any_, from_dict, to_dict

assert "envoy_data_plane.envoy.extensions.filters.http.router.v3" not in sys.modules
router = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    "suppress_envoy_headers": True,
}
assert to_dict(from_dict(Any_, router)) == router
"""


def listener() -> Any:
    """Return what LISTENER says, built from messages."""
    log = StdoutAccessLog(log_format={"text_format_source": {"inline_string": "%RESPONSE_FLAGS%\n"}})
    proxy = TcpProxy(
        stat_prefix="web",
        cluster="web",
        idle_timeout={"seconds": 3600},
        access_log=[AccessLog(name="stdout", typed_config=pack(log))],
    )
    filters = [{"name": "tcp_proxy", "typed_config": pack(proxy)}]
    return Listener(name="web", filter_chains=[{"filters": filters}])


def test_an_any_inside_an_any_is_shown() -> None:
    """As JSON, what an ``Any`` holds is shown with Envoy's field names, and what an ``Any`` in there holds too."""
    assert to_dict(listener()) == LISTENER


def test_an_any_inside_an_any_is_read() -> None:
    """JSON with an ``Any`` inside an ``Any`` makes the message that was built by hand."""
    assert from_dict(Listener, LISTENER) == listener()


def test_an_any_brings_its_own_type() -> None:
    """The type of an ``Any`` need not have been used before: its package is imported then."""
    run(AN_ANY_OF_A_PACKAGE_NOT_IMPORTED)


@pytest.mark.parametrize("cls", IN_USE.values(), ids=IN_USE.keys())
@settings(
    deadline=None, derandomize=True, max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_contents_come_back(cls: type[Any], data: st.DataObject) -> None:
    """Whatever a message contains, its JSON-able data makes the same message again."""
    message = data.draw(contents(cls.DESCRIPTOR))
    assert to_dict(from_dict(cls, to_dict(message))) == to_dict(message)


@pytest.mark.parametrize("name", ["connect_timeout", "connectTimeout"])
def test_either_name_of_a_field_is_read(name: str) -> None:
    """A field is understood by Envoy's name and by its JSON name."""
    assert from_dict(Cluster, {name: "5s"}) == Cluster(connect_timeout={"seconds": 5})


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"conect_timeout": "5s"}, "conect_timeout"),
        ({"connect_timeout": "5 seconds"}, "connect_timeout"),
        ({"type": "EDSS"}, "EDSS"),
        ({"transport_socket": {"typed_config": {"@type": "type.googleapis.com/no.Such"}}}, "no.Such"),
    ],
)
def test_what_is_unknown_is_refused(fields: dict[str, Any], fault: str) -> None:
    """An unknown field, value or type of an ``Any`` raises an error that names it."""
    with pytest.raises(ParseError, match=fault):
        from_dict(Cluster, fields)


def test_an_any_of_an_unknown_type_cannot_be_shown() -> None:
    """An ``Any`` whose type Envoy's API does not have raises an error that names the type."""
    with pytest.raises(TypeError, match=r"no\.Such"):
        to_dict(Any_(type_url="type.googleapis.com/no.Such", value=b"\n\0"))
