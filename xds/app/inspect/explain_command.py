"""What `explain` does: asks a control plane, or makes the same answer of folders, and prints it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from xds.app.inspect.client import client_of
from xds.app.inspect.console import console_of
from xds.app.inspect.data import as_data
from xds.app.inspect.explanation import explanation_lines, is_fine
from xds.app.settings import AdminListener


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
        from xds.app.inspect.folders import explanation_of  # noqa: PLC0415 — a control plane translates for itself

        explanation = explanation_of(
            manifests,
            name,
            verify_without_ca_fails_closed=verify_without_ca_fails_closed,
            ca_expiry_warning_days=ca_expiry_warning_days,
            now=now,
        )
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
