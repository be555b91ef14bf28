"""Whom the probe dials is read from what Envoy gets."""

from tests.support import pki
from tests.support.objects import addresses, secret
from tests.xds.translate.make import group, load_balancer, translated
from xds.app.probe.targets import Target, targets_of
from xds.messages import Any_
from xds.translate import Translation

ROOT = pki.ca("targets")
WEB = "tenant-a-web-ep-0-port-8443-TCP"


def targets(translation: Translation) -> tuple[list[Target], list[str]]:
    """Return whom to dial of what a LoadBalancer became."""
    return targets_of(
        (resource.type_url, resource.name, Any_.FromString(resource.body).value)
        for resource in translation.resources
    )


def test_every_endpoint_of_every_cluster_is_dialled() -> None:
    """Each node of an Addresses object is dialled, with its cluster's policy and CA."""
    lb = load_balancer(group("8443", reference="nodes"), ports=("443",), policy="Verify", ca_secret="ca")
    found, empty = targets(
        translated(lb, addresses("nodes", "10.0.0.1", "10.0.0.2"), secret("ca", ROOT.pem.decode()))
    )
    assert found == [
        Target(WEB, host, 8443, "verify", ROOT.pem, proxy_header=False) for host in ("10.0.0.1", "10.0.0.2")
    ]
    assert empty == []


def test_a_cluster_of_names_has_its_endpoints_with_it() -> None:
    """What Envoy resolves the probe is to resolve as well."""
    (found,), _ = targets(translated(load_balancer(group("8443", addresses=("backend.example",)))))
    assert (found.host, found.port) == ("backend.example", 8443)


def test_policies_are_read_from_the_transport_socket() -> None:
    """Plain, Insecure and fail-closed are told apart; what fails closed has no endpoints."""
    (plain,), _ = targets(translated(load_balancer(group("8443"))))
    (insecure,), _ = targets(translated(load_balancer(group("8443"), policy="Insecure")))
    assert (plain.policy, insecure.policy) == ("plain", "insecure")
    assert targets(translated(load_balancer(group("8443"), policy="Verify", ca_secret="none"))) == ([], [WEB])


def test_the_proxy_header_is_told() -> None:
    """Where Envoy sends the header the probe is to, and what is inside counts as well."""
    annotations = {"kubelb.k8c.io/proxy-protocol": "v2"}
    (found,), _ = targets(
        translated(load_balancer(group("8443"), policy="Insecure", annotations=annotations))
    )
    assert (found.proxy_header, found.policy) == (True, "insecure")


def test_udp_is_left_out() -> None:
    """There is nothing to dial: Envoy has no TLS for it, and no health check."""
    assert targets(translated(load_balancer(group("53/UDP"), ports=("53/UDP",)))) == ([], [])
