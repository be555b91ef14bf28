"""What `status` does: asks once, or again and again, and prints what changed."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group
from rich.live import Live

from xds.app.inspect.client import AdminClient, UnreachableError, client_of
from xds.app.inspect.console import console_of
from xds.app.inspect.data import as_data
from xds.app.inspect.status import is_synced, status_view
from xds.app.settings import AdminListener
from xds.messages import debug_pb2 as pb

_EVERY: Final = 1.0
"""Seconds between two questions."""


def show_status(listener: AdminListener, *, tenant: str, watch: bool, as_json: bool) -> int:
    """Print how each Envoy stands, and return the exit code. Raises UserError."""
    console = console_of()
    with client_of(listener) as client:
        envoys = client.envoys(tenant)
        if not watch:
            _print(console, envoys, as_json=as_json)
            return 0 if envoys and is_synced(envoys) else 1
        try:
            if as_json or not console.is_terminal:
                _follow(client, console, envoys, tenant=tenant, as_json=as_json)
            else:
                _live(client, console, envoys, tenant)
        except KeyboardInterrupt:
            return 0
    return 0


def _print(console: Console, envoys: Sequence[pb.Envoy], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"envoys": [as_data(envoy) for envoy in envoys]}, ensure_ascii=False), flush=True)  # noqa: T201
    else:
        table, *lines = status_view(envoys, datetime.now(UTC))
        console.print(table)
        for line in lines:
            console.print(line, soft_wrap=True)  # they are as long as they are, and can be searched


def _follow(
    client: AdminClient,
    console: Console,
    envoys: Sequence[pb.Envoy],
    *,
    tenant: str,
    as_json: bool,
) -> None:
    """Print what there is, and again whenever it is something else."""
    shown: Sequence[pb.Envoy] | None = None
    while True:
        if envoys != shown:
            _print(console, envoys, as_json=as_json)
            shown = envoys
        time.sleep(_EVERY)
        envoys = _ask_again(client, tenant, shown)


def _live(client: AdminClient, console: Console, envoys: Sequence[pb.Envoy], tenant: str) -> None:
    """Keep a terminal's screen true; how long ago things were goes on as well."""
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            live.update(Group(*status_view(envoys, datetime.now(UTC))), refresh=True)
            time.sleep(_EVERY)
            envoys = _ask_again(client, tenant, envoys)


def _ask_again(client: AdminClient, tenant: str, last: Sequence[pb.Envoy]) -> Sequence[pb.Envoy]:
    """Return what there is now; a control plane that does not answer may be restarting, and its Envoys keep what they have."""
    try:
        return client.envoys(tenant)
    except UnreachableError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return last
