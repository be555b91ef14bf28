"""Folders of manifests in place of a control plane: a LoadBalancer is read from them, and explained as `serve` would."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from kube.objects import LoadBalancer, ObjectRef
from xds.app import logs
from xds.app.errors import UserError
from xds.app.explain import explain, not_found
from xds.app.validate import Folders
from xds.messages import debug_pb2 as pb
from xds.translate import Options


def explanation_of(
    manifests: Sequence[Path],
    name: tuple[str, str],
    *,
    verify_without_ca_fails_closed: bool,
    ca_expiry_warning_days: int,
    now: datetime,
) -> pb.Explanation:
    """Return what would become of a LoadBalancer, by namespace and name. Raises UserError where it is not there."""
    read, ref, lb = read_folders(manifests, name)
    options = Options(
        verify_without_ca_fails_closed=verify_without_ca_fails_closed,
        ca_expiry_warning=timedelta(days=ca_expiry_warning_days),
    )
    translation = read.translate(lb, options=options, now=now) if lb else None
    explanation = explain(read.store, ref, translation)
    if explanation is None:
        raise UserError(not_found(read.store, ref))
    return explanation


def read_folders(
    manifests: Sequence[Path], name: tuple[str, str]
) -> tuple[Folders, ObjectRef, LoadBalancer | None]:
    """Read folders, and find one LoadBalancer in them, if it is there. Raises UserError for a folder that is none."""
    logs.configure(level="error")  # what is wrong elsewhere is not what was asked
    read = Folders(manifests)
    ref = ObjectRef(LoadBalancer.KIND, *name)
    return read, ref, next((each for each in read.loadbalancers if each.ref == ref), None)
