"""Delta: a type's subscription where requests and responses carry only differences.

Rules by number: ``docs/xds-protocol.md``.
"""

from collections.abc import Iterable
from typing import Any

from xds.protocol.response import Response
from xds.protocol.subscription import WILDCARD
from xds.protocol.type_state import Outcome, TypeState
from xds.snapshot import ResourceSet


class DeltaState(TypeState):
    """One type on a stream of ``DeltaDiscoveryRequest``s."""

    full = False

    def request(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take a request: an ACK, a NACK, a change of the subscription, or several of them at once."""
        outcome = Outcome("subscribe")
        if request.response_nonce:
            if request.response_nonce in self.in_flight:
                outcome = self._answered(request, resources)
            elif self.started:
                outcome = Outcome("stale")  # its changes of the subscription count all the same (rule 21)
        first, self.started = not self.started, True
        if first:
            self._known.update(request.initial_resource_versions)
        again = self._subscribe(
            request.resource_names_subscribe, request.resource_names_unsubscribe, first=first
        )
        if resources is not None:
            self.settle(again, resources)
            self._deny(again, resources)
        return outcome

    def _subscribe(self, subscribe: Iterable[str], unsubscribe: Iterable[str], *, first: bool) -> list[str]:
        """Change the subscription, and return the names that are to be sent, or to be called missing, again."""
        had_wildcard = self.subscription.wildcard
        dropped = self.subscription.change(subscribe, unsubscribe, first=first)
        wildcard = self.subscription.wildcard
        # Rules 22 and 23: a name that is asked for is sent again, unless this is what the client came with.
        again = [name for name in subscribe if name != WILDCARD and not (first and name in self._known)]
        if wildcard and not had_wildcard:
            self.must_answer = True  # even when there is nothing (rule 28)
            self._compared = False
        if wildcard:
            again += dropped  # rule 25: it is returned, or removed
        elif had_wildcard:
            dropped |= {name for name in self._known if not self.subscription.covers(name)}
        for name in () if wildcard else dropped:
            self._forget(name)
        for name in again:
            self._want(name)
        return again

    def refresh(self, resources: ResourceSet) -> None:
        """Compare everything, and say of the names asked for which do not exist."""
        super().refresh(resources)
        self._deny(self.subscription.names, resources)

    def _deny(self, names: Iterable[str], resources: ResourceSet) -> None:
        """Note which names that are asked for do not exist (rule 24)."""
        for name in names:
            if name not in resources:
                self.denied[name] = None
                self.removals.pop(name, None)

    def respond(self, nonce: str, now: float, resources: ResourceSet, *, removals: bool) -> Response:
        """Make a response of what is owed."""
        send = tuple(resource for name in self.upserts if (resource := resources.get(name)))
        gone = tuple({**self.denied, **self.removals} if removals else self.denied)
        self.upserts.clear()
        self.denied.clear()
        if removals:
            self.removals.clear()
        for name in gone:
            self._known.pop(name, None)
        self._known.update((resource.name, resource) for resource in send)
        changed = tuple(resource.name for resource in send)
        response = Response(self.type_url, nonce, resources.version, send, changed, gone, delta=True)
        self._sent(response, now)
        return response

    def _gone(self, name: str) -> None:
        self.removals[name] = None
