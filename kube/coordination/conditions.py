"""What a status says next, from what it says now: conditions change only where something is new, and so seldom.

It knows which types are this program's; what others wrote stays. It has no clock: the moment is passed in.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import msgspec

from kube.objects import Condition

OURS: Final = frozenset({"Accepted", "ResolvedRefs", "Programmed", "CACertificateExpiring"})
"""Types of conditions that this program sets; one that it sets no longer is dropped."""

LONGEST_MESSAGE: Final = 32768
"""Characters of a condition's message that the API server takes (metav1.Condition, maxLength)."""


def timestamp(moment: datetime) -> str:
    """Return a moment as metav1.Time has it: RFC 3339, whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(
    existing: tuple[Condition, ...],
    new: tuple[Condition, ...],
    generation: int,
    now: datetime,
    *,
    keep: Collection[str] = (),
    ours: frozenset[str] = OURS,
) -> tuple[Condition, ...] | None:
    """Return the conditions that a status is to have, None when it has them.

    ``new`` takes the place of what is there of the same type; ``generation`` is put where a condition names none itself.
    ``keep`` are types of ours that stay as they are though ``new`` lacks them, because nothing better is known yet. The
    order stays; what is new of its type goes to the end. ``last_transition_time`` changes with the status only.
    """
    wanted = {condition.type: condition for condition in new}
    merged: dict[str, Condition] = {}
    for old in existing:
        if old.type in merged:
            continue  # the first counts: the schema knows no second of a type
        if old.type in wanted:
            merged[old.type] = _after(old, wanted.pop(old.type), generation, now)
        elif old.type in keep or old.type not in ours:
            merged[old.type] = old
    for condition in wanted.values():
        merged[condition.type] = _after(None, condition, generation, now)
    result = tuple(merged.values())
    return None if result == existing else result


def _after(old: Condition | None, new: Condition, generation: int, now: datetime) -> Condition:
    kept = old.last_transition_time if old is not None and old.status == new.status else ""
    return msgspec.structs.replace(
        new,
        message=shortened(new.message),
        observed_generation=new.observed_generation or generation,
        last_transition_time=kept or timestamp(now),
    )


def shortened(message: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text that has at most so many characters; an ellipsis says that there was more."""
    return message if len(message) <= longest else message[: longest - 1] + "…"
