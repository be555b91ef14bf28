"""What a list no longer has is believed only when every informer has listed since.

An API server on an etcd that was restored, or emptied, answers some lists with 404 and others with 200 and nothing: as long
as one informer's list fails, what disappears from the others is not applied. And when it no longer fails, the cluster may be
back: what is missing must be missing from a list that is no older than that. What a watch says was deleted is another
matter: that was deleted.
"""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import structlog

from kube.objects import ObjectRef

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.informer")


class Member(Protocol):
    """An informer, as far as this goes."""

    @property
    def name(self) -> str:
        """What it is called in log lines."""

    @property
    def has_synced(self) -> bool:
        """Whether a list was complete."""

    @property
    def list_began(self) -> float:
        """When its last complete list began."""

    def list_again(self, since: float) -> None:
        """List once more, unless the last list began at this moment or later."""

    def remove(self, refs: Collection[ObjectRef]) -> None:
        """Drop what is certainly gone."""


class Removals:
    """The informers of one API server, and what their lists no longer have. ``clock`` is theirs.

    A round begins with the first list that lacks something, and ends when every member has completed a list that began no
    earlier than that one. Where one of these began when the list that lacks something was over, that list is asked for once
    more: between the two the cluster may have come back. A member that has never listed is waited for by nobody: nothing
    was ever served of it, and a namespace that may not be read is not to hold up the others.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missing: dict[Member, set[ObjectRef]] = {}
        self._completed: dict[Member, float] = {}
        self._since: float | None = None
        self._confirming = False

    def join(self, member: Member) -> None:
        """Count a member in from now on."""
        self._missing.setdefault(member, set())

    def leave(self, member: Member) -> None:
        """Wait for a member no longer."""
        self._missing.pop(member, None)
        self._completed.pop(member, None)
        self._conclude()

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The informers whose lists are missing, where something waits for them."""
        since = self._since
        if since is None:
            return ()
        return tuple(
            member.name
            for member, missing in self._missing.items()
            if member.has_synced and member.list_began < since and (missing or not self._confirming)
        )

    def listed(self, member: Member, missing: Iterable[ObjectRef]) -> None:
        """Take a complete list's word for what it lacks; it takes the place of what an earlier one lacked."""
        if member not in self._missing:
            return
        self._missing[member] = set(missing)
        self._completed[member] = self._clock()
        if self._missing[member]:
            if self._since is None:
                self._begin(member)
            else:
                member.list_again(self._since)
        self._conclude()

    def seen(self, member: Member, ref: ObjectRef) -> None:
        """Take note that a watch has said something about an object since: that counts."""
        missing = self._missing.get(member)
        if missing:
            missing.discard(ref)

    def _begin(self, member: Member) -> None:
        self._since = member.list_began
        for other in self._missing:
            other.list_again(self._since)
        if self.waiting_for:
            log.info(
                "objects are missing from a list: they stay until every informer has listed",
                informer=member.name,
                missing=len(self._missing[member]),
                waiting_for=list(self.waiting_for),
            )

    def _conclude(self) -> None:
        if self._since is None or self.waiting_for:
            return
        if not self._confirming and self._is_outdated():
            self._confirming = True
            self._since = self._clock()
            for member, missing in self._missing.items():
                if missing:
                    member.list_again(self._since)
            return
        self._since, self._confirming = None, False
        gone = [(member, missing) for member, missing in self._missing.items() if missing]
        self._missing = {member: set() for member in self._missing}
        for member, missing in gone:
            log.info("removing what the lists no longer have", informer=member.name, missing=len(missing))
            member.remove(missing)

    def _is_outdated(self) -> bool:
        """Return whether a list that lacks something was over before the last of the others began."""
        latest = max((member.list_began for member in self._missing), default=float("-inf"))
        return any(missing and self._completed[member] < latest for member, missing in self._missing.items())
