"""What `explain` does: asks a control plane, or makes the same answer of folders, and prints it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kube.objects import LoadBalancer, ObjectRef
from xds.app import logs
from xds.app.errors import UserError
from xds.app.explain import explain, not_found
from xds.app.inspect.client import client_of
from xds.app.inspect.console import console_of
from xds.app.inspect.data import as_data
from xds.app.inspect.explanation import explanation_lines, is_fine
from xds.app.settings import AdminListener
from xds.app.validate import Folders
from xds.messages import debug_pb2 as pb
from xds.translate import Options


def show_explanation(
    name: tuple[str, str],
    *,
    listener: AdminListener,
    manifests: Sequence[Path],
    verify_without_ca_fails_closed: bool,
    ca_expiry_warning_days: int,
    as_json: bool,
) -> int:
    """Print what became of a LoadBalancer, by namespace and name, and return the exit code. Raises UserError."""
    now = datetime.now(UTC)
    if manifests:
        options = Options(
            verify_without_ca_fails_closed=verify_without_ca_fails_closed,
            ca_expiry_warning=timedelta(days=ca_expiry_warning_days),
        )
        explanation = _of_folders(manifests, name, options=options, now=now)
    else:
        with client_of(listener) as client:
            explanation = client.explain(*name)
    if as_json:
        print(json.dumps(as_data(explanation), indent=2, ensure_ascii=False))  # noqa: T201
    else:
        console = console_of()
        for line in explanation_lines(explanation, now, online=not manifests):
            console.print(line, soft_wrap=True)
    return 0 if is_fine(explanation) else 1


def _of_folders(
    manifests: Sequence[Path], name: tuple[str, str], *, options: Options, now: datetime
) -> pb.Explanation:
    read, ref, lb = read_folders(manifests, name)
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
