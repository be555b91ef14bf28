"""State of the world: a type's subscription where each request states everything and each response may.

Rules by number: ``docs/xds-protocol.md``.
"""

from typing import Any, Final

from xds.protocol.response import Response
from xds.protocol.type_state import Outcome, TypeState
from xds.snapshot import Resource, ResourceSet
from xds.snapshot.types import CLUSTER, LISTENER

# Rule 14: of these a response carries everything, and what is absent is deleted. Of others it carries what changed.
_FULL: Final = frozenset({CLUSTER, LISTENER})


class SotwState(TypeState):
    """One type on a stream of ``DiscoveryRequest``s."""

    def __init__(self, type_url: str) -> None:
        super().__init__(type_url)
        self.full = type_url in _FULL
        self._nonce = ""
        # The version that the client presented on its first request.
        self._presented = ""

    def request(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take a request: an ACK, a NACK, other names, or several of them at once."""
        outcome = Outcome("subscribe")
        if self.started:
            nonce = request.response_nonce
            if nonce in self.in_flight:
                outcome = self._answered(request, resources)
                self._cover_older(nonce)
            if nonce != self._nonce:
                # Rules 12 and 13: the client has a newer response to answer yet, and will state its names then.
                return outcome if outcome.push else Outcome("stale")
            added = self.subscription.replace(request.resource_names)
            for name in [name for name in self._known if not self.subscription.covers(name)]:
                self._forget(name)
        else:
            self.started = True
            self._presented = request.version_info
            added = self.subscription.replace(request.resource_names)
            self.must_answer = self.subscription.wildcard and self.full
        for name in added:
            self._want(name)  # rule 16
        if resources is not None:
            self.settle(added, resources)
        return outcome

    def refresh(self, resources: ResourceSet) -> None:
        """Compare everything, the first time by the version that the client came with."""
        presented, self._presented = self._presented, ""
        if presented and presented == resources.version and self.full and self._wildcard_only:
            # Rule 19: it has all of this, and no subscription can be new.
            self._known.update((resource.name, resource) for resource in resources)
            self.must_answer = False
        super().refresh(resources)

    @property
    def _wildcard_only(self) -> bool:
        return self.subscription.wildcard and not self.subscription.names

    def respond(self, nonce: str, now: float, resources: ResourceSet, *, removals: bool) -> Response:
        """Make a response: of clusters and listeners everything, of other types what is owed."""
        changed = tuple(self.upserts)
        removed = tuple(self.removals) if removals else ()
        if not self.full:
            send = [found for name in changed if (found := resources.get(name))]
            version = resources.version
        else:
            if self.subscription.wildcard:
                send = list(resources)
            else:
                send = [found for name in sorted(self.subscription.names) if (found := resources.get(name))]
            # What is to be removed later is kept by naming it still.
            held = () if removals else tuple(self._known[name] for name in self.removals)
            kept = [known for known in held if isinstance(known, Resource)]
            complete = not kept and len(send) == len(resources)
            send += kept
            version = resources.version if complete else ResourceSet(send).version
        self.upserts.clear()
        self.denied.clear()
        if removals:
            self.removals.clear()
            for name in removed:
                self._known.pop(name, None)
        self._known.update((resource.name, resource) for resource in send)
        response = Response(self.type_url, nonce, version, tuple(send), changed, removed, delta=False)
        self._nonce = nonce
        self._sent(response, now)
        return response

    def _gone(self, name: str) -> None:
        if self.full:
            self.removals[name] = None
        else:
            del self._known[name]  # rules 15 and 20: there is no way to say it, and no need

    def _cover_older(self, nonce: str) -> None:
        """Count what was sent before an answered response as answered: Envoy ACKs only the newest of several."""
        for older in [n for n in self.in_flight if int(n) < int(nonce)]:
            del self.in_flight[older]
