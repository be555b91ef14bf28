"""What comes back to the tenant's Service: its address, and the LoadBalancer's conditions, so that nobody needs the other cluster. Pure.

The conditions stand in the Service's own status, with a prefix. There they are at hand, and there it is remembered what was
told: Events are written when one changes, and a program that starts again tells nothing twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from kube.ccm.copies import Copy
from kube.ccm.findings import Finding
from kube.ccm.names import PREFIX
from kube.coordination.conditions import merge
from kube.objects import Condition
from kube.objects.service import Service

MISCONFIGURED: Final = f"{PREFIX}Misconfigured"
"""Type of the condition that says what the Service itself has wrong; there is none while all is well."""

_WARNS_WHEN_TRUE: Final = frozenset({MISCONFIGURED, f"{PREFIX}CACertificateExpiring"})
_TOLD: Final = frozenset({f"{PREFIX}Programmed"})
"""Types of which it is news that they are True, though they were not False before."""
_INGRESS: Final = ("ip", "hostname", "ipMode", "ports")
_PORT: Final = ("port", "protocol", "error")


class Patched(NamedTuple):
    """A merge patch of a Service's status, and the conditions that it changes."""

    status: dict[str, Any]
    changed: tuple[Condition, ...]


class Told(NamedTuple):
    """An Event: a warning, or something that is as it should be."""

    warning: bool
    reason: str
    message: str


def ingress(load_balancer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the addresses of a status as the API server keeps them for a Service: fields that it knows, `ipMode` VIP by default."""
    entries = []
    for found in load_balancer.get("ingress") or ():
        entry = {key: found[key] for key in _INGRESS if found.get(key)}
        if "ip" in entry:
            entry.setdefault("ipMode", "VIP")
        if "ports" in entry:
            entry["ports"] = [{key: port[key] for key in _PORT if port.get(key)} for port in entry["ports"]]
        entries.append(entry)
    return entries


def brought_back(
    service: Service, copy: Copy | None, findings: Iterable[Finding], now: datetime
) -> Patched | None:
    """Return what has to be written into the status of a Service that is taken, None when it says it already.

    Where there is no LoadBalancer the address stays: it is another's, or that of a moment ago.
    """
    status: dict[str, Any] = {}
    if copy is not None:
        wanted = ingress(copy.load_balancer)
        if wanted != ingress(service.load_balancer):
            status["loadBalancer"] = {"ingress": wanted or None}
    conditions = [_brought(condition) for condition in (copy.conditions if copy is not None else ())]
    return _patched(service, status, (*conditions, *_misconfigured(findings)), now)


def taken_back(service: Service, copy: Copy | None, now: datetime) -> Patched | None:
    """Return what has to be written into the status of a Service that is no longer taken: nothing of ours stays."""
    status: dict[str, Any] = {}
    ours = ingress(copy.load_balancer) if copy is not None else []
    if ours and ours == ingress(service.load_balancer):
        status["loadBalancer"] = {"ingress": None}
    return _patched(service, status, (), now)


def events(service: Service, patched: Patched, findings: Iterable[Finding]) -> tuple[Told, ...]:
    """Return what to tell of conditions that change: what is not as it should be, and what has become so."""
    told = []
    before = {condition.type: condition for condition in service.conditions}
    for condition in patched.changed:
        old = before.get(condition.type)
        if condition.type == MISCONFIGURED:
            told += [Told(True, finding.reason, finding.message) for finding in findings]
        elif condition.status != "True" or condition.type in _WARNS_WHEN_TRUE:
            told.append(Told(True, condition.reason, condition.message))
        elif (old is None and condition.type in _TOLD) or (old is not None and old.status != "True"):
            told.append(Told(False, condition.reason, condition.message or _word(condition)))
    return tuple(told)


def _brought(condition: Condition) -> Condition:
    return msgspec.structs.replace(condition, type=f"{PREFIX}{condition.type}", observed_generation=0)


def _misconfigured(findings: Iterable[Finding]) -> tuple[Condition, ...]:
    found = tuple(findings)
    if not found:
        return ()
    message = "; ".join(finding.message for finding in found)
    return (Condition(type=MISCONFIGURED, status="True", reason=found[0].reason, message=message),)


def _patched(
    service: Service, status: dict[str, Any], new: tuple[Condition, ...], now: datetime
) -> Patched | None:
    before = service.conditions
    ours = frozenset(condition.type for condition in before if condition.type.startswith(PREFIX))
    merged = merge(before, new, 0, now, ours=ours)  # the generation is another object's
    changed: tuple[Condition, ...] = ()
    if merged is not None:
        known = {_without_time(condition) for condition in before}
        changed = tuple(condition for condition in merged if _without_time(condition) not in known)
        status["conditions"] = [
            {"message": "", **msgspec.to_builtins(condition)} for condition in merged
        ] or None
    return Patched(status, changed) if status else None


def _without_time(condition: Condition) -> tuple[str, str, str, str]:
    return condition.type, condition.status, condition.reason, condition.message


def _word(condition: Condition) -> str:
    return f"{condition.type.removeprefix(PREFIX)} is {condition.status}"
