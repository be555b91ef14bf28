"""Who this replica is: as told, as Kubernetes tells a pod, or made up. Does not know what the replica does."""

import re
import secrets
import socket
from pathlib import Path
from typing import NamedTuple, Protocol


class Identity(NamedTuple):
    """Who this replica is: the namespace that it runs in, and a name that no other replica has."""

    namespace: str
    name: str


class Told(Protocol):
    """Of settings what is needed."""

    @property
    def own_namespace(self) -> str | None:
        """Where it runs, as far as it was told."""

    @property
    def replica(self) -> str | None:
        """What it is called, as far as it was told."""


def identity(settings: Told) -> Identity:
    """Return which replica this is, and in which namespace: as told, as Kubernetes tells a pod, or made up."""
    token = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    namespace = settings.own_namespace or (token.read_text().strip() if token.is_file() else "default")
    # A name is not enough: a pod that is restarted has the one of before, whose lease may still be believed.
    host = (
        settings.replica or re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower()).strip("-") or "replica"
    )
    return Identity(namespace, f"{host[:50]}-{secrets.token_hex(4)}")
