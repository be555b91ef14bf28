"""Delta: a type's subscription where requests and responses carry only differences.

Rules by number: ``docs/xds-protocol.md``.
"""

from collections.abc import Iterable
from typing import Any

from xds.protocol.steps import UNKNOWN, Outcome
from xds.protocol.subscription import WILDCARD
from xds.protocol.type_state import TypeState
from xds.snapshot import ResourceSet


class DeltaState(TypeState):
    """One type on a stream of ``DeltaDiscoveryRequest``s."""

    delta = True
    tells_absence = True
    carries_all = False

    def request(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take a request: an ACK, a NACK, a change of the subscription, or several of them at once."""
        outcome = Outcome(self.type_url, "subscribe")
        if request.response_nonce in self.in_flight:
            outcome = self._answered(request, resources)
        elif request.response_nonce and self.started:
            # Its changes of the subscription count all the same (rule 21).
            outcome = Outcome(self.type_url, "stale")
        first, self.started = not self.started, True
        if first:
            self._known.update(request.initial_resource_versions)
        if first or request.resource_names_subscribe or request.resource_names_unsubscribe:
            self._subscribe(
                request.resource_names_subscribe,
                request.resource_names_unsubscribe,
                resources,
                first=first,
            )
            return outcome._replace(asks=True)
        return outcome

    def _subscribe(
        self,
        subscribe: Iterable[str],
        unsubscribe: Iterable[str],
        resources: ResourceSet | None,
        *,
        first: bool,
    ) -> None:
        change = self.subscription.change(subscribe, unsubscribe, first=first)
        self._let_go(change)
        wanted = dict.fromkeys(subscribe)
        for name in unsubscribe:
            wanted.pop(name, None)
        everything = change.gained_wildcard or WILDCARD in wanted
        wanted.pop(WILDCARD, None)
        # Rules 22 and 23: a name that is asked for is sent again, unless this is what the client came with.
        asked = [name for name in wanted if not (first and name in self._known)]
        if self.subscription.wildcard:
            asked += change.dropped  # rule 25: it is returned, or removed
        if everything:
            # What is under way may be gone by now, and arrive for a client that wants it again.
            asked += [name for push in self.in_flight.values() for name in push.response.changed]
        for name in asked:
            # Should it be gone by the time of the answer, that is to be said.
            self._known.setdefault(name, UNKNOWN)
        self._ask(asked, resources, everything=everything)
        if resources is not None:
            self._deny(asked, resources)

    def compare(self, resources: ResourceSet) -> None:
        """Compare everything, and say of the names asked for which do not exist, unless that was said before."""
        super().compare(resources)
        self._deny([name for name in self.subscription.names if name in self._known], resources)

    def resend(self, name: str, resources: ResourceSet | None) -> None:
        """Send a name again, or say again that it does not exist: whoever waits for it need not wait on."""
        super().resend(name, resources)
        if resources is not None and name in self.subscription.names:
            self._deny((name,), resources)

    def _deny(self, names: Iterable[str], resources: ResourceSet) -> None:
        """Note which names that are asked for do not exist (rule 24)."""
        for name in names:
            if name not in resources and name not in self._leaving:
                self.denied[name] = None
                self.removals.pop(name, None)
