import pytest

from xds.app.address import HostPort, ip_literal, listen_address, target_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:18000", HostPort("127.0.0.1", 18000)),
        ("[::1]:18000", HostPort("::1", 18000)),
        ("kubelb-xds.kubelb.svc:18000", HostPort("kubelb-xds.kubelb.svc", 18000)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: HostPort) -> None:
    """IPv4, IPv6 in brackets and hostnames are taken, and printed as they were written."""
    assert listen_address(text) == target_address(text) == address
    assert str(address) == text


def test_a_server_may_listen_where_nobody_connects() -> None:
    """Port 0 and the unspecified address are places to listen on."""
    assert listen_address("[::]:0") == HostPort("::", 0)


@pytest.mark.parametrize("text", ["127.0.0.1:0", "0.0.0.0:18000", "[::]:18000"])
def test_nobody_connects_there(text: str) -> None:
    """Port 0 and the unspecified address are no places to connect to."""
    with pytest.raises(ValueError, match=r"the port must be|nobody can connect there"):
        target_address(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("foo", "is not HOST:PORT"),
        ("", "is not HOST:PORT"),
        (":18000", "is not HOST:PORT"),
        ("127.0.0.1:", "the port must be a number from 0 to 65535"),
        ("127.0.0.1:65536", "the port must be a number from 0 to 65535"),
        ("127.0.0.1:+1", "the port must be a number from 0 to 65535"),
        ("127.0.0.1:²", "the port must be a number from 0 to 65535"),
        ("::1:18000", r"such as \[::1\]:18000"),
        ("[localhost]:18000", r"such as \[::1\]:18000"),
        ("[::1:18000", "must be an IP address or a host name"),
        ("http://localhost:18000", "without a scheme"),
        ("10.0.0.256:18000", "must be an IP address or a host name"),
        ("[fe80::1%eth0]:18000", "without a zone"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(text: str, reason: str) -> None:
    """What is no address is refused with the text and with what would be one."""
    with pytest.raises(ValueError, match=reason) as refused:
        listen_address(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1", "LOCALHOST:1"])
def test_loopback(text: str) -> None:
    """Loopback addresses and localhost are reached from this machine alone."""
    assert listen_address(text).is_loopback


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "xds.example:1"])
def test_not_loopback(text: str) -> None:
    """Every other address, and every other name, may be reached from elsewhere."""
    assert not listen_address(text).is_loopback


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "10.0.0.1"])
def test_an_ip_literal_is_taken_as_it_is(text: str) -> None:
    """An IP address that Envoy can bind stays as it was written."""
    assert ip_literal(text) == text


@pytest.mark.parametrize(
    ("text", "reason"), [("localhost", "is no IP address"), ("fe80::1%eth0", "leave out %eth0")]
)
def test_what_envoy_cannot_bind_is_refused(text: str, reason: str) -> None:
    """Names and addresses with a zone are refused with the remedy."""
    with pytest.raises(ValueError, match=reason):
        ip_literal(text)
