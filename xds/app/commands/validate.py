"""`kubelb-xds validate`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from xds.app.commands.options import DEFAULTS, CaExpiryWarningDays, Output, VerifyWithoutCa


def validate(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Folders of manifests, as serve takes them.")
    ],
    *,
    output: Output = "table",
    verify_without_ca: VerifyWithoutCa = DEFAULTS.verify_without_ca,
    ca_expiry_warning_days: CaExpiryWarningDays = DEFAULTS.ca_expiry_warning_days,
) -> int:
    """Check folders of manifests without serving them.

    The translation is the one that serve uses. Prints each LoadBalancer with its ports, the TLS to its backends and its conditions, then everything that is wrong.
    The exit code is 1 when something is wrong; a warning is nothing wrong.

    \b
    Example:
      kubelb-xds validate examples/manifests
      kubelb-xds validate -o json examples/manifests | jq '.loadBalancers[] | select(.ok | not) | .name'
    """  # noqa: D301 — typer does not rewrap what follows \b
    from xds.app import logs  # noqa: PLC0415 — --help is to stay light
    from xds.app.report import print_report  # noqa: PLC0415
    from xds.app.validate import validate as check  # noqa: PLC0415
    from xds.translate import Options  # noqa: PLC0415

    # What the source has to say about files is in the report.
    logs.configure(level="error")
    report = check(
        folders,
        options=Options(
            verify_without_ca_fails_closed=verify_without_ca == "fail-closed",
            ca_expiry_warning=timedelta(days=ca_expiry_warning_days),
        ),
        now=datetime.now(UTC),
    )
    if output == "json":
        typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        print_report(report)
    return 0 if report.ok else 1
