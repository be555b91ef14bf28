"""Makers of the objects that tests of more than one room put into a store."""

from typing import Any

from kube.objects import Addresses, LoadBalancer, Secret, decode

API_VERSION = "kubelb.k8c.io/v1alpha1"


def loadbalancer(
    name: str = "web",
    *,
    namespace: str = "tenant-a",
    port: int = 20001,
    backend: int = 30443,
    address: str = "127.0.0.1",
    policy: str | None = None,
    ca: str | None = None,
    **spec: Any,
) -> LoadBalancer:
    """Return a LoadBalancer with one TCP port and one endpoint; ``spec`` adds to its spec or replaces parts of it."""
    fields: dict[str, Any] = {
        "endpoints": [{"addresses": [{"ip": address}], "ports": [{"name": "main", "port": backend}]}],
        "ports": [{"name": "main", "port": port}],
    }
    if policy is not None:
        fields["upstreamTLS"] = {"policy": policy} | ({"caSecretRef": {"name": ca}} if ca else {})
    metadata = {"name": name, "namespace": namespace}
    decoded = decode(
        {"apiVersion": API_VERSION, "kind": "LoadBalancer", "metadata": metadata, "spec": fields | spec}
    )
    assert isinstance(decoded, LoadBalancer)
    return decoded


def secret(name: str, ca_crt: str | None, *, namespace: str = "tenant-a") -> Secret:
    """Return a Secret with this ``ca.crt``, or without the key."""
    data = {} if ca_crt is None else {"ca.crt": ca_crt}
    metadata = {"name": name, "namespace": namespace}
    decoded = decode({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
    assert isinstance(decoded, Secret)
    return decoded


def addresses(name: str, *ips: str, namespace: str = "tenant-a") -> Addresses:
    """Return an Addresses object."""
    decoded = decode(
        {
            "apiVersion": API_VERSION,
            "kind": "Addresses",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"addresses": [{"ip": ip} for ip in ips]},
        }
    )
    assert isinstance(decoded, Addresses)
    return decoded
