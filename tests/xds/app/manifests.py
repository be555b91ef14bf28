"""Manifests as documents, and folders of them, for the tests of what reads folders."""

from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]


def loadbalancer(
    name: str, *, namespace: str = "tenant-a", port: int = 20001, tls: Document | None = None, **spec: Any
) -> Document:
    """Return a LoadBalancer with one TCP port and one endpoint; `tls` is its spec.upstreamTLS."""
    fields: Document = {
        "ports": [{"port": port}],
        "endpoints": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 8443}]}],
    }
    if tls is not None:
        fields["upstreamTLS"] = tls
    return {
        "apiVersion": "kubelb.k8c.io/v1alpha1",
        "kind": "LoadBalancer",
        "metadata": {"name": name, "namespace": namespace},
        "spec": fields | spec,
    }


def verify(secret: str) -> Document:
    """Return an upstreamTLS that verifies against this Secret."""
    return {"policy": "Verify", "caSecretRef": {"name": secret}}


def secret(name: str, *, namespace: str = "tenant-a", **data: str) -> Document:
    """Return a Secret; `ca_crt` is its `ca.crt`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {key.replace("_", "."): value for key, value in data.items()},
    }


def write(folder: Path, file: str, *documents: Document) -> Path:
    """Write documents into a file of a folder, and return the folder."""
    (folder / file).write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return folder
