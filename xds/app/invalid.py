"""LoadBalancers whose newest version cannot be used: their status says so, of that version, whatever becomes of the one before.

With this project's CRDs the API server takes no such object; with those of KubeLB, or for one that was stored before, it may.
"""

from collections.abc import Callable
from typing import Final

from kube.controllers.statuses import Desired
from kube.coordination.conditions import OURS
from kube.informer.store import Change, Store
from kube.objects import InvalidObject, LoadBalancer, LoadBalancerHead, ObjectRef
from xds.translate import Finding, conditions
from xds.translate.findings import ACCEPTED

_SERVED: Final = "until that is mended, what it was before is served on"
_NOT_SERVED: Final = "until that is mended, nothing of it is served"


class InvalidLoadBalancers:
    """Those that the store has in quarantine. ``look`` hears of each whenever something else is wrong with it."""

    def __init__(self, store: Store, look: Callable[[ObjectRef], None]) -> None:
        self._store = store
        self._look = look
        self._told: dict[ObjectRef, InvalidObject] = {}
        store.subscribe(self._changed)

    def head(self, ref: ObjectRef) -> LoadBalancerHead | None:
        """Return what can be used of the newest version, None where all of it can, or nothing."""
        found = self._store.invalid.get(ref)
        return found.head if found is not None and isinstance(found.head, LoadBalancerHead) else None

    def look_again(self) -> None:
        """Have everyone looked at."""
        for ref in self._told:
            self._look(ref)

    def said(self, ref: ObjectRef, desired: Desired, *, served: bool) -> Desired:
        """Return what a status is to say where it would say this of the version before; ``served``: whether there is one."""
        found, head = self._store.invalid.get(ref), self.head(ref)
        if found is None or head is None:
            return desired
        ends = _SERVED if served else _NOT_SERVED
        findings = [
            Finding("error", ACCEPTED, "Invalid", f"{fault}; {ends}", fault.path) for fault in found.faults
        ]
        accepted = next(
            each for each in conditions(findings, head.metadata.generation) if each.type == ACCEPTED
        )
        others = desired.conditions
        if others is None:
            return desired._replace(conditions=(accepted,), keep=OURS - {ACCEPTED})
        said = tuple(accepted if each.type == ACCEPTED else each for each in others)
        return desired._replace(
            conditions=said if accepted in said else (accepted, *said), keep=desired.keep - {ACCEPTED}
        )

    def _changed(self, _: tuple[Change, ...]) -> None:
        before = self._told
        self._told = {
            ref: found for ref, found in self._store.invalid.items() if ref.kind == LoadBalancer.KIND
        }
        for ref, found in self._told.items():
            if before.get(ref) is not found:
                self._look(ref)
        for ref in before.keys() - self._told.keys():
            if self._store.get(ref) is None:
                self._look(ref)  # it is gone; one that is mended is looked at when it is translated
