"""What a soak has to show: each promise with what was seen, and whether it holds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.soak.parts import Standing

TOLERANCE = 0.10
"""Of memory: within so much of where it began."""
EXCUSES = {
    "first": "the first answer of a type (rules 19, 28)",
    "asked": "subscribed to anew (rules 16, 22, 24)",
    "warming": "endpoints of a cluster that was updated (rule 30)",
    "repeated": "what a NACK did not name, again (rule 5)",
    "crossed": "crossed an unsubscription or a NACK on its way",
    "unneeded": "no rule asks for it",
}


@dataclass
class Promises:
    """Promises in the order in which they were looked at."""

    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def hold(self, what: str, seen: str, *, holds: bool) -> None:
        """Take note of one."""
        self.lines.append(f"{'ok    ' if holds else 'FAILED'}  {what:<66}  {seen}")
        if not holds:
            self.broken.append(f"{what}: {seen}")

    def converged(self, when: str, same: int, of: int, others: list[str]) -> None:
        """Every client holds exactly the server's content."""
        more = f"; not {', '.join(others[:5])}" if others else ""
        self.hold(
            f"{when}: every client has the server's content", f"{same:,} of {of:,}{more}", holds=same == of
        )

    def returned(self, when: str, began: Standing, now: Standing) -> None:
        """Memory, tasks and file descriptors are what they were with as many clients."""
        growth = now.memory / began.memory - 1
        self.hold(
            f"{when}: memory is within {TOLERANCE:.0%} of where it began",
            f"{began.memory:.0f} MB, now {now.memory:.0f} MB ({growth:+.1%})",
            holds=growth <= TOLERANCE,
        )
        self.same(when, began, now)

    def same(self, when: str, began: Standing, now: Standing) -> None:
        """Tasks, file descriptors and Envoys are as many as they were."""
        for what in ("tasks", "descriptors", "envoys"):
            before, after = getattr(began, what), getattr(now, what)
            name = {"tasks": "asyncio tasks", "descriptors": "file descriptors", "envoys": "Envoys known"}[
                what
            ]
            self.hold(f"{when}: {name} as they began", f"{before:,}, now {after:,}", holds=after == before)

    def needed(self, status: dict[str, Any]) -> None:
        """No response, and no resource in a delta or partial one, came that changed nothing, but where a rule requires it."""
        for excuse, text in EXCUSES.items():
            if excuse != "unneeded":
                self.lines.append(
                    f"          {text:<64}  {status['unchanged'][excuse]:,} responses that changed nothing;"
                    f" {status['held'][excuse]:,} resources"
                )
        unneeded, resources = status["unchanged"]["unneeded"], status["held"]["unneeded"]
        self.hold(
            "no response that changed nothing, unless a rule requires one",
            f"{unneeded:,} of {status['responses']:,}",
            holds=not unneeded,
        )
        self.hold(
            "no resource sent that its client had, unless a rule requires it",
            f"{resources:,} of {status['resources']:,}",
            holds=not resources and not status["faulty"],
        )
        self.lines += [f"        {fault}" for fault in status["faults"]]

    def quiet(self, log: Path) -> None:
        """Nothing in the server's log is a fault of its own; what is wrong with an object, or refused by a client, is none."""
        lines = log.read_text().splitlines()
        faults = [line for line in lines if '"level": "warning"' not in line and '"object": ' not in line]
        self.hold("the server logged no fault of its own", f"{len(faults)} lines", holds=not faults)
        self.lines += [f"        {line[:500]}" for line in faults[:5]]
