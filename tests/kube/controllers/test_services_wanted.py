"""What the Service of a LoadBalancer is to be, without an API server."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.controllers.services import envoy_pods, service_name, wanted_service
from kube.objects import LoadBalancer, StatusPort, decode
from tests.kube.controllers.exposing import loadbalancer


def _lb(**more: object) -> LoadBalancer:
    found = decode(loadbalancer("tenant-a", **more))  # type: ignore[arg-type]
    assert isinstance(found, LoadBalancer)
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", "envoy-web"),
        ("0f9e4c1e-2d2b-4a53-9c3c-5e4f6f0f3a10", "envoy-0f9e4c1e-2d2b-4a53-9c3c-5e4f6f0f3a10"),
        ("a" * 57, "envoy-" + "a" * 57),
        ("a" * 58, "envoy-" + "a" * 46 + "-d5c039b748"),
        ("a" * 45 + "-" + "b" * 12, "envoy-" + "a" * 45 + "-eba427ac15"),
        ("www.example.com", "envoy-www-example-com-80fc0fb926"),
    ],
)
def test_names(name: str, expected: str) -> None:
    """A name that fits is kept behind `envoy-`; one that does not is cut, and a hash of all of it appended."""
    assert service_name(name) == expected
    assert len(expected) <= 63


@given(
    st.lists(
        st.text(string.ascii_lowercase[:3] + "01-.", min_size=1, max_size=253).map(
            lambda text: "a" + text.replace("..", "x").replace(".-", "y").replace("-.", "z") + "b"
        ),
        unique=True,
    )
)
def test_names_are_labels_of_their_own(names: list[str]) -> None:
    """Every LoadBalancer's name becomes a DNS label, and no two become the same one."""
    made = [service_name(name) for name in names]
    assert len(set(made)) == len(made)
    allowed = set(string.ascii_lowercase + string.digits + "-")
    assert all(set(name) <= allowed and len(name) <= 63 and name[-1] != "-" for name in made)


@pytest.mark.parametrize(
    ("ports", "names"),
    [
        ([("", 443, "TCP")], [""]),
        ([("https", 443, "TCP")], ["https"]),
        ([("", 443, "TCP"), ("", 443, "UDP")], ["443-tcp", "443-udp"]),
        ([("", 443, "TCP"), ("443-tcp", 80, "TCP")], ["443-tcp-2", "443-tcp"]),
        (
            [("443-tcp", 80, "TCP"), ("443-tcp-2", 81, "TCP"), ("", 443, "TCP")],
            ["443-tcp", "443-tcp-2", "443-tcp-3"],
        ),
    ],
)
def test_names_of_ports(ports: list[tuple[str, int, str]], names: list[str]) -> None:
    """Several ports all have names of their own; those that were given stay."""
    given_ports = [StatusPort(name=name, port=port, protocol=protocol) for name, port, protocol in ports]
    assert [port.name for port in wanted_service(_lb(), given_ports).ports] == names


def test_a_document_is_bound_to_a_service() -> None:
    """What is applied names the uid of the Service that is to be changed, and none where one is to be created."""
    wanted = wanted_service(_lb(), [StatusPort(name="https", port=443, target_port=10443)])
    assert "uid" not in wanted.document()["metadata"]
    assert wanted.document("7")["metadata"]["uid"] == "7"


def test_a_selector_of_ones_own() -> None:
    """The selector is a parameter, by tenant; otherwise that tenant's Envoy pods."""
    assert wanted_service(_lb(), []).selector == envoy_pods("tenant-a")
    assert wanted_service(_lb(), [], selector=lambda tenant: {"app": tenant}).selector == {"app": "tenant-a"}
