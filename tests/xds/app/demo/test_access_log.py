"""Lines of Envoy's access log become typed entries."""

import json

import pytest

from xds.app.demo.access_log import parse


def test_a_line_of_our_format_is_an_entry() -> None:
    """An entry carries what Envoy wrote, nothing where Envoy wrote null, and ignores keys that it does not know."""
    line = {
        "upstream_cluster": "tenant-a-web-ep-0-port-443-TCP",
        "response_flags": "UF,URX",
        "upstream_transport_failure_reason": "TLS_error:|...CERTIFICATE_VERIFY_FAILED",
        "bytes_sent": 0,
        "duration_ms": 2,
        "upstream_host": None,
        "something_new": [1],
    }
    entry = parse(json.dumps(line).encode())
    assert entry is not None
    assert entry.upstream_cluster == "tenant-a-web-ep-0-port-443-TCP"
    assert entry.flags == {"UF", "URX"}
    assert (entry.bytes_sent, entry.duration_ms, entry.upstream_host) == (0, 2, None)


@pytest.mark.parametrize("flags", ["-", "", None])
def test_a_connection_that_went_well_has_no_flags(flags: str | None) -> None:
    """Envoy's dash and an absent value both mean that nothing went wrong."""
    entry = parse(json.dumps({"response_flags": flags}).encode())
    assert entry is not None
    assert entry.flags == frozenset()


@pytest.mark.parametrize("line", [b"", b"[2026] plain text", b"[1]", b'{"duration_ms": "long"}'])
def test_a_line_of_another_format_is_no_entry(line: bytes) -> None:
    """What is not the agreed JSON is told apart, and raises nothing."""
    assert parse(line) is None
