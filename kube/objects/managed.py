"""`metadata.managedFields`: who set which field, as far as it tells what a program has applied from what others added.

Does not know the kinds.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from kube.objects.structs import KubeStruct


class ManagedFields(KubeStruct, frozen=True):
    """What one manager owns; `fields` is a field set of sigs.k8s.io/structured-merge-diff: `f:` a field, `k:` an item by its keys."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields: Raw = msgspec.field(name="fieldsV1", default=Raw(b"{}"))


def applied_by(entries: tuple[ManagedFields, ...], manager: str) -> Mapping[str, Any] | None:
    """Return the field set of what a manager has applied (server-side apply) to the object itself, None where that is nothing."""
    for entry in entries:
        if entry.manager == manager and entry.operation == "Apply" and not entry.subresource:
            fields = msgspec.json.decode(entry.fields)
            return fields if isinstance(fields, dict) else {}
    return None


def below(fields: Any, *path: str) -> Mapping[str, Any]:
    """Return what stands at a path of a field set, nothing where there is no such path."""
    for key in path:
        fields = fields.get(key, {}) if isinstance(fields, dict) else {}
    return fields if isinstance(fields, dict) else {}


def keys(fields: Any, *path: str) -> frozenset[str]:
    """Return the names of the fields that are owned below a path."""
    return frozenset(key[2:] for key in below(fields, *path) if key[:2] == "f:")
