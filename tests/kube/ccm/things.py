"""Services and LoadBalancers for tests without I/O."""

import json
from typing import Any

from kube.ccm.copies import Copy, reader
from kube.ccm.names import MANAGER, Tenant
from kube.coordination.finalizer import FINALIZER
from kube.objects.service import Service, read_service
from tests.support.kube_client import Object

TENANT = Tenant("primary")
CLUSTER = "uid-of-kube-system"
UID = "uid-of-web"


def service(
    *,
    annotations: dict[str, str] | None = None,
    guarded: bool = True,
    status: Object | None = None,
    deleted: bool = False,
    kind: str = "LoadBalancer",
    **spec: Any,
) -> Service:
    """Return a Service default/web with one port."""
    metadata: Object = {"name": "web", "namespace": "default", "uid": UID, "resourceVersion": "1"}
    metadata["annotations"] = annotations or {}
    if guarded:
        metadata["finalizers"] = [FINALIZER]
    if deleted:
        metadata["deletionTimestamp"] = "2026-07-01T00:00:00Z"
    ports = [{"port": 443, "nodePort": 30443, "protocol": "TCP"}]
    document = {
        "metadata": metadata,
        "spec": {"type": kind, "ports": ports, **spec},
        "status": status or {},
    }
    return read_service(json.dumps(document).encode())


def copy_of(
    wanted: Any,
    *,
    applied: tuple[str, ...] | None = None,
    status: Object | None = None,
    ending: bool = False,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Copy:
    """Return an object as it stands once `wanted` was applied; `applied` are annotations that were; `spec` differs from what is wanted."""
    document = wanted.document()
    owned = wanted.annotations if applied is None else applied
    fields: Object = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in owned}}}
    metadata = {
        **document["metadata"],
        "annotations": {**wanted.annotations, **(annotations or {})},
        "uid": "uid-of-copy",
        "resourceVersion": "7",
        "managedFields": [{"manager": MANAGER, "operation": "Apply", "fieldsV1": fields}],
    }
    if ending:
        metadata["deletionTimestamp"] = "2026-07-01T00:00:00Z"
    full = {"metadata": metadata, "spec": {**wanted.spec, **spec}, "status": status or {}}
    return reader(wanted.kind)(json.dumps(full).encode())
