"""Which Services are taken, what each becomes in the management cluster, and how what stands there differs. Pure.

Does not know how anything is read or written (`reconciler`), nor what comes back to the Service (`statuses`).
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from kube.ccm.backend_tls import backend_tls
from kube.ccm.copies import Copy
from kube.ccm.findings import Finding
from kube.ccm.names import (
    ADDRESSES,
    KEPT_TLS,
    LAST_APPLIED,
    LOADBALANCER_CLASS,
    ORIGIN_NAME,
    ORIGIN_NAMESPACE,
    TENANT_CLUSTER,
    TLS_CA_SECRET,
    TLS_POLICY,
    Tenant,
)
from kube.coordination.finalizer import FINALIZER
from kube.objects import API_VERSION, Addresses, LoadBalancer, StatusPort
from kube.objects.service import Service

PROTOCOLS: Final = ("TCP", "UDP")
PORT_NOT_FORWARDED: Final = "PortNotForwarded"

_STRIPPED: Final = frozenset({LAST_APPLIED, TLS_POLICY, TLS_CA_SECRET, KEPT_TLS})
_SPEC: Final = ("type", "externalTrafficPolicy", "endpoints", "ports", "persistence", "upstreamTLS")
"""Fields of a LoadBalancer's spec that say what a Service says; `hostname` is layer 7's."""


class Wanted(NamedTuple):
    """An object of the management cluster as it is to be. `governed` are the fields of the spec that nobody else may set."""

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    governed: tuple[str, ...] = _SPEC

    def document(self, **metadata: str) -> dict[str, Any]:
        """Return what to apply, with further metadata such as a resourceVersion, without which it is refused (409)."""
        known = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": self.labels,
            "annotations": self.annotations,
        }
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {**known, **metadata},
            "spec": self.spec,
        }


class Judged(NamedTuple):
    """A Service that is taken: `wanted` is None where there can be no LoadBalancer until a finding is put right.

    `keeps_tls`: what the annotations ask for is not known, so `wanted` has the TLS of the LoadBalancer that there is, as it was when
    that was seen first.
    """

    wanted: Wanted | None
    findings: tuple[Finding, ...] = ()
    keeps_tls: bool = False


def is_taken(service: Service, *, by_class: bool) -> bool:
    """Return whether a Service is to have a LoadBalancer; `by_class`: only those of class `kubelb`."""
    return (
        service.type == "LoadBalancer"
        and service.metadata.deletion_timestamp is None
        and (not by_class or service.load_balancer_class == LOADBALANCER_CLASS)
    )


def is_of_use(service: Service, *, by_class: bool) -> bool:
    """Return whether there is anything to do for a Service, now or later."""
    return is_taken(service, by_class=by_class) or FINALIZER in service.metadata.finalizers


def judge(service: Service, copy: Copy | None, tenant: Tenant, cluster: str) -> Judged:
    """Return what a Service that is taken is to become; `copy` is the LoadBalancer that there is, `cluster` the tenant's kube-system's uid."""
    tls = backend_tls(service.metadata.annotations)
    ports, findings = _ports(service.ports)
    findings = (*tls.findings, *findings)
    if not ports or (not tls.valid and copy is None):
        return Judged(None, findings)
    upstream_tls, kept = tls.upstream_tls, {}
    if not tls.valid and copy is not None:
        upstream_tls = _kept_tls(copy)
        kept[KEPT_TLS] = msgspec.json.encode(upstream_tls, order="deterministic").decode()
    spec: dict[str, Any] = {
        "type": "LoadBalancer",
        "endpoints": [
            {
                "addressesReference": {"name": ADDRESSES},
                "ports": [_entry(port, port.node_port) for port in ports],
            }
        ],
        "ports": [_entry(port, port.port) for port in ports],
    }
    if service.external_traffic_policy:
        spec["externalTrafficPolicy"] = service.external_traffic_policy
    if service.session_affinity == "ClientIP":
        spec["persistence"] = {"type": "SourceIP"}
    if upstream_tls is not None:
        spec["upstreamTLS"] = upstream_tls
    metadata = service.metadata
    copied = {key: value for key, value in metadata.annotations.items() if key not in _STRIPPED}
    wanted = Wanted(
        kind=LoadBalancer.KIND,
        namespace=tenant.namespace,
        name=metadata.uid,
        labels={**tenant.labels, ORIGIN_NAME: metadata.name, ORIGIN_NAMESPACE: metadata.namespace},
        annotations={**copied, **kept, TENANT_CLUSTER: cluster},
        spec=spec,
    )
    return Judged(wanted, findings, keeps_tls=not tls.valid)


def wanted_addresses(addresses: Iterable[Mapping[str, str]], tenant: Tenant) -> Wanted:
    """Return the Addresses object with these, each with an `ip` or a `hostname`."""
    return Wanted(
        kind=Addresses.KIND,
        namespace=tenant.namespace,
        name=ADDRESSES,
        labels=tenant.labels,
        annotations={},
        spec={"addresses": [dict(address) for address in addresses]},
        governed=("addresses",),
    )


def differences(wanted: Wanted, copy: Copy) -> tuple[str, ...]:
    """Return the fields in which an object is not as it is to be. What others added to labels and annotations is none."""
    labels, annotations = copy.metadata.labels, copy.metadata.annotations
    found = {
        "metadata.labels": _differs(wanted.labels, labels, copy.labels),
        "metadata.annotations": _differs(wanted.annotations, annotations, copy.annotations),
    }
    found |= {
        f"spec.{field}": _comparable(field, wanted.spec.get(field))
        != _comparable(field, copy.spec.get(field))
        for field in wanted.governed
    }
    return tuple(field for field, differs in found.items() if differs)


def without_foreign(wanted: Wanted, copy: Copy) -> dict[str, Any] | None:
    """Return the merge patch that leaves an object, in this version only, the spec that is wanted; None where it has it.

    What others set themselves stays when something else is applied.
    """
    changed = {
        field: _replaced(copy.spec.get(field), wanted.spec.get(field))
        for field in wanted.governed
        if _comparable(field, wanted.spec.get(field)) != _comparable(field, copy.spec.get(field))
    }
    if not changed:
        return None
    return {"metadata": {"resourceVersion": copy.metadata.resource_version}, "spec": changed}


def is_ours(copy: Copy, tenant: Tenant) -> bool:
    """Return whether a LoadBalancer was written by a cloud controller manager of this tenant."""
    return tenant.labels.items() <= copy.metadata.labels.items()


def _ports(ports: Iterable[StatusPort]) -> tuple[list[StatusPort], tuple[Finding, ...]]:
    """Return the ports that can be forwarded, and why others cannot."""
    forwarded, findings = [], []
    for port in ports:
        if port.protocol not in PROTOCOLS:
            allowed = " and ".join(PROTOCOLS)
            why = f"spec.ports: port {port.port} has protocol {port.protocol}, and only {allowed} are forwarded: remove it"
        elif not port.node_port:
            why = (
                f"spec.ports: port {port.port} has no nodePort, on which the nodes are reached: "
                "remove spec.allocateLoadBalancerNodePorts: false"
            )
        else:
            forwarded.append(port)
            continue
        findings.append(Finding(PORT_NOT_FORWARDED, why))
    return forwarded, tuple(findings)


def _kept_tls(copy: Copy) -> Any:
    """Return the TLS that stays: what was put down of it, if it is this program's word still, else what there is."""
    if KEPT_TLS in copy.annotations:
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(copy.metadata.annotations[KEPT_TLS])
    return copy.spec.get("upstreamTLS")


def _entry(port: StatusPort, number: int) -> dict[str, Any]:
    name = port.name or f"{port.port}-{port.protocol.lower()}"
    return {"name": name, "port": number, "protocol": port.protocol}


def _differs(wanted: Mapping[str, str], standing: Mapping[str, str], applied: frozenset[str]) -> bool:
    """Return whether something that is wanted is not there, or something is there that only this program ever wanted."""
    return not wanted.items() <= standing.items() or not (applied & standing.keys()) <= wanted.keys()


def _comparable(field: str, value: Any) -> Any:
    """Return a value without the order of what is a map to the API server."""
    if field != "ports" or not isinstance(value, list):
        return value
    return {(entry.get("port"), entry.get("protocol", "TCP")): entry for entry in value}


def _replaced(standing: Any, wanted: Any) -> Any:
    """Return the merge patch (RFC 7396) that makes one value of another."""
    if not isinstance(standing, dict) or not isinstance(wanted, dict):
        return wanted
    gone = dict.fromkeys(standing.keys() - wanted.keys())
    return gone | {key: _replaced(standing.get(key), value) for key, value in wanted.items()}
