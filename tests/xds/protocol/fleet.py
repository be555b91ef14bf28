"""Several Envoys of one tenant without I/O, and the delivery that hears of all of them."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.driver import TYPES, Driver
from xds.protocol import Awaited, Delivery, Outcome, Report, Response, StreamState
from xds.snapshot import Changes, Resource, Snapshot

TENANT = "tenant-a"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class HeardState(StreamState):
    """A stream's state that tells the delivery what it takes, as the stream's owner does."""

    def __init__(self, fleet: "Fleet", number: int, **kind: Any) -> None:
        super().__init__(**kind)
        self._fleet = fleet
        self._number = number

    def request(self, request: Any) -> Outcome:
        """Take a request, and tell."""
        outcome = super().request(request)
        self._fleet.delivery.answered(self._number, outcome, self._fleet.now)
        return outcome

    def changed(self, changes: Changes) -> None:
        """Take a change, and tell."""
        super().changed(changes)
        self._fleet.delivery.changed(self._number, changes)


class Client(Driver):
    """One of the fleet's streams."""

    def __init__(self, fleet: "Fleet", number: int, *, delta: bool, only_type: str) -> None:
        super().__init__(delta=delta, snapshot=fleet.snapshot, attached=False)
        self.number = number
        self.state = HeardState(fleet, number, delta=delta, only_type=only_type or None, timing=self.timing)
        self.state.attach(fleet.snapshot)


class Fleet:
    """A tenant's snapshot and its Envoys."""

    def __init__(self, *resources: Resource, types: Iterable[str] = TYPES) -> None:
        self.now = NOON
        self.snapshot = Snapshot(types, resources)
        self.delivery = Delivery()
        self.clients: dict[int, Client] = {}
        self._numbers = itertools.count(1)
        self._questions: list[Awaited] = []

    def connect(
        self, *, delta: bool, node: str = "envoy", peer: str = "ipv4:10.0.0.1:1", only_type: str = ""
    ) -> Client:
        """Open a stream."""
        number = next(self._numbers)
        client = self.clients[number] = Client(self, number, delta=delta, only_type=only_type)
        self.delivery.joined(
            number, client.state, tenant=TENANT, node=node, peer=peer, only_type=only_type, now=self.now
        )
        return client

    def leave(self, client: Client) -> None:
        """Close a stream."""
        del self.clients[client.number]
        self.delivery.left(client.number)

    def change(self, *resources: Resource, remove: Iterable[tuple[str, str]] = ()) -> list[list[Response]]:
        """Change the snapshot in one transaction, and return what each stream is sent."""
        changes = self.snapshot.update(resources, remove)
        for question in self._questions:
            question.changed(self.snapshot, changes)
        for client in self.clients.values():
            client.state.changed(changes)
        return [client.poll() for client in self.clients.values()]

    def ask(self, *keys: tuple[str, str], envoys: int = 0) -> Awaited:
        """Ask who has everything, or these resources; the question hears of all that follows."""
        question = Awaited(self.delivery, TENANT, self.snapshot, keys=keys or None, envoys=envoys)
        self.delivery.watch(TENANT, question.heard)
        self._questions.append(question)
        return question

    def later(self, seconds: float) -> datetime:
        """Let time pass for NACKs, and return the time of day."""
        self.now += timedelta(seconds=seconds)
        return self.now


def unanswered(report: Report) -> dict[str, list[str]]:
    """Return the names that each Envoy has not answered for, by node."""
    return {waiting.envoy.node: [name for _, name in waiting.unanswered] for waiting in report.waiting}
