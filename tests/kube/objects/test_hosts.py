import pytest

from tests.kube.objects.documents import faults, grouped

GENERAL = "must be an IP address or a host name (at most 253 characters; labels of at most 63 letters, digits and hyphens)"
LABEL = "a" * 63
LONGEST = ".".join([LABEL] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "127.0.0.1",
        "255.255.255.255",
        "2001:db8::1",
        "::",
        "::ffff:10.0.0.1",
        "a",
        "node-3.example.com",
        "Node-3.Example.COM",
        "example.com.",
        "10-0-0-1",
        "1.2.3.4.in-addr.arpa",
        "xn--bcher-kva.example",
        LABEL,
        LONGEST,
    ],
)
@pytest.mark.parametrize("field", ["ip", "hostname"])
def test_ip_addresses_and_host_names_are_taken_in_either_field(field: str, host: str) -> None:
    """An FQDN in `ip` and an address in `hostname` are legal, as in KubeLB."""
    assert faults(grouped(addresses=[{field: host}])) == []


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("http://x", "must be an IP address or a host name, without a scheme such as http://"),
        (
            "10.0.0.1:80",
            "must be an IP address or a host name, without a port; ports stand in the list `ports`",
        ),
        (
            "a.example.com:443",
            "must be an IP address or a host name, without a port; ports stand in the list `ports`",
        ),
        (
            "[2001:db8::1]:80",
            "must be an IP address or a host name, without a port; ports stand in the list `ports`",
        ),
        ("[2001:db8::1]", "must be an IP address or a host name, without brackets"),
        ("10.0.0.0/24", "must be an IP address or a host name, without a prefix length"),
        ("fe80::1%eth0", "must be an IP address or a host name, without a zone"),
        ("example.com/", "must be an IP address or a host name, without a path"),
        (" 10.0.0.1", "must be an IP address or a host name, without blanks"),
        ("example.com\n", "must be an IP address or a host name, without blanks"),
        ("10.0.0.256", GENERAL),
        ("10.0.0", GENERAL),
        ("010.0.0.1", GENERAL),
        ("1", GENERAL),
        ("a.1", GENERAL),
        (":::", GENERAL),
        ("a_b", GENERAL),
        ("-a", GENERAL),
        ("a-", GENERAL),
        ("a..b", GENERAL),
        (".a", GENERAL),
        (".", GENERAL),
        ("bücher.example", GENERAL),
        ("*.example.com", GENERAL),
    ],
)
def test_what_cannot_work_is_told_what_to_leave_out(host: str, allowed: str) -> None:
    """What Envoy could only look up in vain is a fault; a known mistake gets its own remedy."""
    for field in ("ip", "hostname"):
        path = f"spec.endpoints[0].addresses[0].{field}"
        assert faults(grouped(addresses=[{field: host}])) == [f"{path}: {host!r} is not allowed: {allowed}"]


def test_a_label_has_at_most_63_characters() -> None:
    """One character more than DNS allows is a fault."""
    (text,) = faults(grouped(addresses=[{"hostname": f"{LABEL}a.example.com"}]))
    assert text.endswith(GENERAL)


def test_a_host_name_has_at_most_253_characters() -> None:
    """One character more than DNS allows is a fault."""
    (text,) = faults(grouped(addresses=[{"hostname": "a" + LONGEST}]))
    assert text.endswith("must be a string of at most 253 characters")


def test_both_fields_are_looked_at() -> None:
    """A wrong hostname beside a good ip is a fault, though `ip` wins."""
    assert len(faults(grouped(addresses=[{"ip": "10.0.0.1", "hostname": "a b"}]))) == 1
