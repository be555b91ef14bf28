"""Writes manifests into a folder as kubectl's users and Kubernetes' volumes do: each file whole, or not at all.

The demo changes Secrets while a control plane watches the folder; a rename makes the change one event, and its moment is what the
demo measures from. This module does not know what the objects mean.
"""

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Manifest = Mapping[str, Any]


def secret(namespace: str, name: str, ca_crt: bytes, **others: bytes) -> Manifest:
    """Return a Secret's manifest with `ca.crt` and, when given, other keys, base64-encoded as `kubectl get -o yaml` prints it."""
    data = {"ca.crt": ca_crt, **others}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def replace(path: Path, content: bytes) -> float:
    """Write a file, replacing what was there in one rename; returns the moment of the rename (`time.monotonic`).

    The new contents are written under a hidden name without a manifest's suffix first, readable by the owner alone, since Secrets and keys
    are among them.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    moment = time.monotonic()
    unfinished.replace(path)
    return moment


class ManifestFolder:
    """A folder of manifests that someone watches; it is created when it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def put(self, file: str, *documents: Manifest) -> float:
        """Write `file` with these documents, and return the moment (`time.monotonic`); see `replace`."""
        return replace(self.path / file, yaml.safe_dump_all(documents, sort_keys=False).encode())

    def remove(self, file: str) -> float:
        """Delete `file`; returns the moment (`time.monotonic`). Raises `FileNotFoundError` when it is not there."""
        moment = time.monotonic()
        (self.path / file).unlink()
        return moment
