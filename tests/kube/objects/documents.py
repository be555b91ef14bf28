"""Documents as a parsed manifest has them, valid unless a test breaks them, and what `decode` says of them."""

from typing import Any

from kube.objects import API_VERSION, InvalidObject, LoadBalancer, decode

GROUP: dict[str, Any] = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 8080}]}


def load_balancer(**spec: Any) -> dict[str, Any]:
    """Return a LoadBalancer; `spec` replaces parts of its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": "LoadBalancer",
        "metadata": {"name": "web", "namespace": "tenant-a"},
        "spec": {"endpoints": [GROUP], **spec},
    }


def grouped(**group: Any) -> dict[str, Any]:
    """Return a LoadBalancer with one endpoint group; `group` replaces parts of that."""
    return load_balancer(endpoints=[{**GROUP, **group}])


def addresses(*items: Any) -> dict[str, Any]:
    """Return an Addresses object."""
    metadata = {"name": "default", "namespace": "tenant-a"}
    return {
        "apiVersion": API_VERSION,
        "kind": "Addresses",
        "metadata": metadata,
        "spec": {"addresses": list(items)},
    }


def secret(**top: Any) -> dict[str, Any]:
    """Return a Secret without contents; `top` adds top-level fields or replaces them."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ca", "namespace": "tenant-a"}, **top}


def decoded(document: dict[str, Any], *, strict: bool = True) -> LoadBalancer:
    """Return the LoadBalancer that a document describes."""
    found = decode(document, strict=strict)
    assert isinstance(found, LoadBalancer)
    return found


def faults(document: dict[str, Any], *, strict: bool = True) -> list[str]:
    """Return the texts of a document's faults; none when it is valid."""
    try:
        decode(document, strict=strict)
    except InvalidObject as invalid:
        return [str(fault) for fault in invalid.faults]
    return []
