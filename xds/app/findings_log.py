"""Which findings are said in the log, and when: each once when it appears and once when it is gone.

A finding belongs to a LoadBalancer, and the line names it; translating the LoadBalancer again for another reason repeats
nothing.
"""

from typing import Any

from kube.objects import ObjectRef
from xds.translate import PORT_NOT_ALLOCATED, Translation


class FindingsLog:
    """Logs what changed between two translations of one LoadBalancer."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def changed(self, ref: ObjectRef, old: Translation | None, new: Translation | None) -> None:
        """Log the findings that ``new`` has and ``old`` had not, and that the last ``error`` is gone."""
        before = set(old.findings) if old else set()
        after = set(new.findings) if new else set()
        for finding in new.findings if new else ():
            if finding in before:
                continue
            write = self._log.error if finding.level == "error" else self._log.warning
            if finding.reason == PORT_NOT_ALLOCATED:
                write = (
                    self._log.debug
                )  # for the moment that the leader takes; the condition says it where that lasts
            write(
                finding.message,
                object=str(ref),
                condition=finding.condition,
                reason=finding.reason,
                **({"field": finding.path} if finding.path else {}),
            )
        failed_before = any(finding.level == "error" for finding in before)
        if new and failed_before and not any(finding.level == "error" for finding in after):
            self._log.info("healed: nothing is wrong any more", object=str(ref))
