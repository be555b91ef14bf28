from __future__ import annotations

import pytest

from kube.client.proxies import proxy_for

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("server", "exempt", "direct"),
    [
        ("https://api.test:6443", "", False),
        ("https://127.0.0.1:6443", "", True),
        ("https://localhost:6443", "", True),
        ("https://[::1]:6443", "", True),
        ("https://10.0.0.1", "10.0.0.0/8", True),
        ("https://11.0.0.1", "a, 10.0.0.0/8,", False),
        ("https://10.0.0.1", "10.0.0.1", True),
        ("https://10.0.0.1:6443", "10.0.0.1:6443", True),
        ("https://10.0.0.1:6443", "10.0.0.1:443", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://api.test", "*", True),
        ("https://api.test", "test", True),
        ("https://API.test.", "Api.Test", True),
        ("https://api.test", ".test", True),
        ("https://api.test", "*.test", True),
        ("https://api.test", ".api.test", False),
        ("https://api.test", "pi.test", False),
        ("https://api.test", "10.0.0.0/8", False),
    ],
)
def test_what_needs_no_proxy(server: str, exempt: str, direct: bool) -> None:
    """NO_PROXY exempts names, domains, addresses and networks, with a port or without; this machine always is."""
    assert proxy_for(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": exempt}) == (None if direct else PROXY)


def test_which_proxy() -> None:
    """Each scheme has its own, in capitals or not, with its scheme or without."""
    assert proxy_for("http://a.test", {"HTTPS_PROXY": PROXY}) is None
    assert proxy_for("http://a.test", {"http_proxy": "proxy.test:1"}) == "http://proxy.test:1"
