"""What `probe` does: finds a LoadBalancer's clusters and endpoints, dials them, and prints what came of each."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.text import Text

from xds.app.errors import UserError
from xds.app.explain import not_found
from xds.app.inspect.client import client_of
from xds.app.inspect.console import console_of
from xds.app.inspect.folders import read_folders
from xds.app.inspect.moments import length
from xds.app.probe.dial import dial
from xds.app.probe.targets import targets_of
from xds.app.probe.verdict import Verdict, all_ok, verdict_of
from xds.app.settings import AdminListener
from xds.messages import Any_
from xds.snapshot.types import CLUSTER, ENDPOINT
from xds.translate import Options

_AT_ONCE: Final = 16


def probe_endpoints(
    name: tuple[str, str],
    *,
    listener: AdminListener,
    manifests: Sequence[Path],
    verify_without_ca_fails_closed: bool,
    as_json: bool,
) -> int:
    """Dial the endpoints of a LoadBalancer, by namespace and name, and return the exit code. Raises UserError."""
    if manifests:
        options = Options(verify_without_ca_fails_closed=verify_without_ca_fails_closed)
        resources = _of_folders(manifests, name, options)
    else:
        resources = _served(listener, name)
    targets, empty = targets_of(resources)
    with ThreadPoolExecutor(_AT_ONCE) as dialling:
        verdicts = [verdict_of(dialled) for dialled in dialling.map(dial, targets)]
    if as_json:
        data = {
            "namespace": name[0],
            "name": name[1],
            "ok": bool(verdicts) and not empty and all_ok(verdicts),
            "withoutEndpoints": empty,
            "endpoints": [verdict.as_data() for verdict in verdicts],
        }
        print(json.dumps(data, indent=2, ensure_ascii=False))  # noqa: T201
    else:
        console = console_of()
        for line in _lines(verdicts, empty, datetime.now(UTC)):
            console.print(line, soft_wrap=True)
    return 0 if verdicts and not empty and all_ok(verdicts) else 1


def _of_folders(
    manifests: Sequence[Path], name: tuple[str, str], options: Options
) -> list[tuple[str, str, bytes]]:
    read, ref, lb = read_folders(manifests, name)
    if lb is None:
        raise UserError(not_found(read.store, ref))
    translation = read.translate(lb, options=options, now=datetime.now(UTC))
    return [
        (resource.type_url, resource.name, Any_.FromString(resource.body).value)
        for resource in translation.resources
    ]


def _served(listener: AdminListener, name: tuple[str, str]) -> list[tuple[str, str, bytes]]:
    """Return a LoadBalancer's clusters and assignments as a control plane serves them."""
    with client_of(listener) as client:
        names = [port.resource for port in client.explain(*name).ports if port.served]
        served = client.dump(name[0], [CLUSTER, ENDPOINT], names) if names else []
    return [(resource.type_url, resource.name, resource.resource.value) for resource in served]


def _lines(verdicts: Sequence[Verdict], empty: Sequence[str], now: datetime) -> Iterator[Text]:
    cluster = ""
    for verdict in verdicts:
        if verdict.target.cluster != cluster:
            cluster = verdict.target.cluster
            header = ", PROXY header first" if verdict.target.proxy_header else ""
            yield Text(f"{cluster}: {verdict.target.policy}{header}", "bold")
        mark = ("ok  ", "green") if verdict.ok else ("FAIL", "red")
        yield Text.assemble("  ", mark, f" {verdict.target.host}:{verdict.target.port} {verdict.cause}")
        for each in verdict.presented:
            left = each.not_after - now
            ends = f"expires in {length(left)}" if left > timedelta() else f"expired {length(left)} ago"
            yield Text(f"       presents {each.subject}, issued by {each.issuer}, {ends}", "dim")
        if verdict.remedy:
            yield Text(f"       {verdict.remedy}")
    for name in empty:
        yield Text.assemble(f"{name}: ", ("no endpoints", "red"), ": see `kubelb-xds explain` for why")
    if not verdicts and not empty:
        yield Text("nothing to dial: it has no TCP port that is served", "yellow")
