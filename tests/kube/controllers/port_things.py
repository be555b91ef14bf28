"""LoadBalancers as the allocation of ports sees them: names, entries of spec.ports, and what a status records."""

from collections.abc import Iterable
from typing import Any

import msgspec

from kube.objects import LoadBalancer, StatusPort, decode

API_VERSION = "kubelb.k8c.io/v1alpha1"
TENANT = "tenant-a"


def document(
    name: str,
    *entries: str,
    tenant: str = TENANT,
    backends: Iterable[str] | None = None,
    recorded: Iterable[str] = (),
) -> dict[str, Any]:
    """Return a LoadBalancer as a manifest. Entries are ``https:443``, ``:443``, ``dns:53/UDP``; a record is an entry and its port: ``https:443=20001``."""
    ports = [_port(word) for word in entries or ("main:443",)]
    behind = (
        [port | {"port": 30000 + port["port"]} for port in ports]
        if backends is None
        else map(_port, backends)
    )
    thing: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "LoadBalancer",
        "metadata": {"name": name, "namespace": tenant},
        "spec": {"endpoints": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [*behind]}], "ports": ports},
    }
    if recorded:
        status = [_port(word.split("=")[0]) | {"targetPort": int(word.split("=")[1])} for word in recorded]
        thing["status"] = {"service": {"ports": status}}
    return thing


def lb(
    name: str,
    *entries: str,
    tenant: str = TENANT,
    backends: Iterable[str] | None = None,
    recorded: Iterable[str] = (),
) -> LoadBalancer:
    """Return a LoadBalancer."""
    decoded = decode(document(name, *entries, tenant=tenant, backends=backends, recorded=recorded))
    assert isinstance(decoded, LoadBalancer)
    return decoded


def published(lb: LoadBalancer, ports: tuple[StatusPort, ...]) -> LoadBalancer:
    """Return a LoadBalancer whose status records these ports, as its writer would leave it."""
    service = msgspec.structs.replace(lb.status.service, ports=ports)
    return msgspec.structs.replace(lb, status=msgspec.structs.replace(lb.status, service=service))


def _port(word: str) -> dict[str, Any]:
    name, _, rest = word.partition(":")
    number, _, protocol = rest.partition("/")
    return {"name": name, "port": int(number), "protocol": protocol or "TCP"}
