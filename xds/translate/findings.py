"""What a translation found out about a LoadBalancer, and the status conditions that say so.

Every part of the translation reports in the same words: a `Finding`. Logs print findings one by one; a
status holds one condition a type, so `conditions` joins them. This module knows neither LoadBalancers nor
certificates, and it sets no transition time: only who writes the status knows what it said before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from kube.objects import Condition
from kube.objects.reasons import Reason

ACCEPTED: Final = "Accepted"
"""Condition: the LoadBalancer's own words make sense, and everything that they ask for is served."""

RESOLVED_REFS: Final = "ResolvedRefs"
"""Condition: every object that the LoadBalancer names is there and usable."""

CA_CERTIFICATE_EXPIRING: Final = "CACertificateExpiring"
"""Condition: something in the CA bundle runs out soon. It is absent, not False, when nothing does."""

_ALWAYS: Final = (ACCEPTED, RESOLVED_REFS)
_MAX_MESSAGE: Final = 32768
"""Characters of a condition's message that the API server takes (metav1.Condition, maxLength)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the owner of a LoadBalancer should know.

    `condition` is the type of the condition that shows it, `reason` the word that the condition carries, `message` a text that names the object, the value and the remedy, and `path` the field of the
    LoadBalancer that it is about ("" when it is about the whole). An "error" costs traffic (something is
    refused, left out or fails closed); a "warning" does not, or not by what was found alone.
    """

    level: Literal["error", "warning"]
    condition: str
    reason: Reason
    message: str
    path: str = ""


def conditions(findings: Iterable[Finding], generation: int) -> tuple[Condition, ...]:
    """Join findings into conditions: one a type, always in the same order.

    `Accepted` and `ResolvedRefs` are always there. They are False, with the first error's reason, when an
    error is among their findings; otherwise True, with their own name as reason. Any other type is there
    only when something was found, and is True, with the first finding's reason. Messages are joined with
    "; ", errors before warnings, equal ones once, cut at the length that the API server takes.
    `last_transition_time` stays empty.
    """
    grouped: dict[str, list[Finding]] = {type_: [] for type_ in _ALWAYS}
    for finding in findings:
        grouped.setdefault(finding.condition, []).append(finding)
    others = sorted(grouped.keys() - set(_ALWAYS))
    return tuple(_condition(type_, grouped[type_], generation) for type_ in (*_ALWAYS, *others))


def _condition(type_: str, findings: list[Finding], generation: int) -> Condition:
    # A stable sort: within a level the translation's own order stays.
    ordered = sorted(findings, key=lambda finding: finding.level != "error")
    message = "; ".join(dict.fromkeys(finding.message for finding in ordered))
    failed = any(finding.level == "error" for finding in ordered)
    positive = type_ in _ALWAYS
    return Condition(
        type=type_,
        status="False" if positive and failed else "True",
        reason=ordered[0].reason if failed or not positive else type_,
        message=message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…",
        observed_generation=generation,
    )
