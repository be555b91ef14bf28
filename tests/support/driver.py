"""A client of the protocol without I/O: it drives a ``StreamState`` as a stream's owner does, and keeps the clock."""

from collections.abc import Iterable, Mapping
from typing import Any

from xds.messages import DeltaDiscoveryRequest, DiscoveryRequest
from xds.protocol import Outcome, Response, StreamState, Timing
from xds.snapshot import Resource, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
AGES = 1000.0
"""Seconds after which every bound has run out."""


class Driver:
    """One stream and its tenant's snapshot. Whatever happens, the responses that are due then are returned."""

    def __init__(
        self,
        *resources: Resource,
        delta: bool,
        types: Iterable[str] = TYPES,
        snapshot: Snapshot | None = None,
        only_type: str | None = None,
        attached: bool = True,
    ) -> None:
        self.delta = delta
        self.now = 0.0
        self.timing = Timing()
        self.snapshot = snapshot or Snapshot(types, resources)
        self.state = StreamState(delta=delta, only_type=only_type, timing=self.timing)
        self.wake_at: float | None = None
        self._outcome: Outcome | None = None
        # State of the world: the names of each type's last request, which an ACK repeats.
        self._names: dict[str, tuple[str, ...]] = {}
        if attached:
            self.state.attach(self.snapshot)

    @property
    def outcome(self) -> Outcome:
        """What the last request turned out to be."""
        assert self._outcome is not None
        return self._outcome

    def kind(self) -> str:
        """Return which kind of request the last one was."""
        return self.outcome.kind

    def poll(self) -> list[Response]:
        """Return what is due now."""
        responses, self.wake_at = self.state.poll(self.now)
        return responses

    def wait(self, seconds: float = AGES) -> list[Response]:
        """Let time pass."""
        self.now += seconds
        return self.poll()

    def change(self, *resources: Resource, remove: Iterable[tuple[str, str]] = ()) -> list[Response]:
        """Change the snapshot in one transaction."""
        self.state.changed(self.snapshot.update(resources, remove))
        return self.poll()

    def request(
        self,
        type_url: str,
        *names: str,
        unsubscribe: Iterable[str] = (),
        nonce: str = "",
        have: Mapping[str, str] | None = None,
        version: str = "",
        error: str | None = None,
    ) -> list[Response]:
        """Send a request, and keep what it turned out to be.

        ``names`` are those of the whole subscription (state of the world) or those to subscribe to (delta);
        ``unsubscribe`` and ``have``, the initial resource versions, are delta's; ``version`` is state of the world's.
        """
        fields: dict[str, Any] = {"type_url": type_url, "response_nonce": nonce}
        if error is not None:
            fields["error_detail"] = {"code": 13, "message": error}
        if self.delta:
            request = DeltaDiscoveryRequest(
                resource_names_subscribe=names,
                resource_names_unsubscribe=list(unsubscribe),
                initial_resource_versions=have or {},
                **fields,
            )
        else:
            self._names[type_url] = names
            request = DiscoveryRequest(resource_names=names, version_info=version, **fields)
        self._outcome = self.state.request(request)
        return self.poll()

    def ack(self, *responses: Response) -> list[Response]:
        """Accept responses, and return what is due after the last."""
        due: list[Response] = []
        for response in responses:
            due += self._answer(response, None)
        return due

    def nack(self, response: Response, error: str) -> list[Response]:
        """Refuse a response with these words."""
        return self._answer(response, error)

    def _answer(self, response: Response, error: str | None) -> list[Response]:
        names = () if self.delta else self._names[response.type_url]
        version = "" if self.delta or error is not None else response.version
        return self.request(response.type_url, *names, nonce=response.nonce, version=version, error=error)

    def settled(self, type_url: str, *names: str, **fields: Any) -> Response:
        """Send a type's first request, ACK the one response that it gets, and return that."""
        response = only(self.request(type_url, *names, **fields))
        assert self.ack(response) == []
        return response


def only(responses: list[Response]) -> Response:
    """Return the one response that there is."""
    (response,) = responses
    return response


def brought(response: Response) -> dict[str, str]:
    """Return name and version of each resource in a response."""
    return {resource.name: resource.version for resource in response.resources}


def names(response: Response) -> list[str]:
    """Return the names of a response's resources, in order."""
    return [resource.name for resource in response.resources]
