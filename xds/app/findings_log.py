"""Which findings are said in the log, and when: each once when it appears and once when it is gone.

A finding belongs to a LoadBalancer, and the line names it; translating the LoadBalancer again for another reason repeats
nothing.
"""

from collections.abc import Collection, Iterable
from typing import Any

from kube.objects import ObjectRef
from xds.translate import Finding, Translation


class FindingsLog:
    """Logs what changed between two translations of one LoadBalancer.

    Findings whose reason is among ``passing`` are only for who looks closely (debug), and nothing heals when they are gone.
    """

    def __init__(self, log: Any, *, passing: Collection[str] = frozenset()) -> None:
        self._log = log
        self._passing = passing

    def changed(self, ref: ObjectRef, old: Translation | None, new: Translation | None) -> None:
        """Log the findings that ``new`` has and ``old`` had not, and that the last ``error`` is gone."""
        before = set(old.findings) if old else set()
        after = set(new.findings) if new else set()
        for finding in new.findings if new else ():
            if finding in before:
                continue
            write = self._log.error if finding.level == "error" else self._log.warning
            if finding.reason in self._passing:
                write = self._log.debug
            write(
                finding.message,
                object=str(ref),
                condition=finding.condition,
                reason=finding.reason,
                **({"field": finding.path} if finding.path else {}),
            )
        if new and self._has_error(before) and not self._has_error(after):
            self._log.info("healed: nothing is wrong any more", object=str(ref))

    def _has_error(self, findings: Iterable[Finding]) -> bool:
        return any(each.level == "error" and each.reason not in self._passing for each in findings)
