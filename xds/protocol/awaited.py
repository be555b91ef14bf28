"""Whether every Envoy of a tenant has ACKed what the tenant has now: a question that is asked once, and answered later.

What counts is the content at the moment of the question, or any that took its place since: a resource that never stops
changing keeps nobody waiting for ever. An event costs what is open on the stream that it is about. Waiting itself is known
elsewhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from xds.protocol.delivery import Delivery, Envoy
from xds.protocol.standing import Refusal
from xds.protocol.steps import Held, is_content
from xds.protocol.type_state import TypeState
from xds.snapshot import Changes, Resource, Snapshot
from xds.snapshot.types import LISTENER, short

_NAMES_SHOWN: Final = 3


class Waiting(NamedTuple):
    """An Envoy that has not answered: for which resources (type URL, name), and which types it has yet to ask for.

    A name is "" where a response that brings nothing is unanswered.
    """

    envoy: Envoy
    unanswered: tuple[tuple[str, str], ...]
    unasked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Who has ACKed what was asked about, and who has not. True when all have; its text says it in one line.

    ``acked`` are the Envoys that have all of it. ``refused`` are the refusals of the others, ``waiting`` those that did not
    answer; an Envoy may be in both. ``missing`` is how many Envoys fewer are connected than were wanted.
    """

    tenant: str
    acked: tuple[Envoy, ...]
    refused: tuple[Refusal, ...]
    waiting: tuple[Waiting, ...]
    missing: int

    def __bool__(self) -> bool:
        return not (self.refused or self.waiting or self.missing)

    def __str__(self) -> str:
        parts = [f"ACKed by {len(self.acked)} of {self.tenant}'s Envoys"]
        parts += [f"{it.node} refused {short(it.type_url)} {it.name}: {it.text}" for it in self.refused]
        for envoy, unanswered, unasked in self.waiting:
            names = [f"{short(type_url)} {name}".rstrip() for type_url, name in unanswered[:_NAMES_SHOWN]]
            if len(unanswered) > _NAMES_SHOWN:
                names.append(f"{len(unanswered) - _NAMES_SHOWN} more")
            if names:
                parts.append(f"{envoy.node} has not answered for {', '.join(names)}")
            parts += [f"{envoy.node} has not asked for {short(type_url)}" for type_url in unasked]
        if self.missing:
            parts.append(f"{self.missing} fewer are connected than were wanted")
        return "; ".join(parts)


class Awaited:
    """One question. Tell it of every change of the tenant's snapshot, and of every event of the tenant's streams."""

    def __init__(
        self,
        delivery: Delivery,
        tenant: str,
        snapshot: Snapshot,
        *,
        keys: Iterable[tuple[str, str]] | None = None,
        envoys: int = 0,
    ) -> None:
        """Ask about everything in the snapshot, or about the ``keys`` (type URL, name) only.

        ``envoys`` is how many have to be connected at least.
        """
        self._delivery = delivery
        self._tenant = tenant
        self._envoys = envoys
        # What there was by type and name, and what has taken its place since; None: nothing.
        self._then: dict[str, dict[str, Resource]] = {
            type_url: {resource.name: resource for resource in snapshot.get(type_url) or ()}
            for type_url in snapshot.types
        }
        self._since: dict[tuple[str, str], list[Resource | None]] = {}
        self._keys = None if keys is None else dict.fromkeys(keys)
        streams = [number for envoy in delivery.envoys(tenant) for number in envoy.streams]
        self._open = {number for number in streams if self._is_open(number)}

    def changed(self, snapshot: Snapshot | None, changes: Changes) -> None:
        """Take note of a change of the snapshot; None: nothing is served any more."""
        for type_url, names in changes.items():
            resources = snapshot.get(type_url) if snapshot else None
            for name in names:
                after = resources.get(name) if resources is not None else None
                self._since.setdefault((type_url, name), []).append(after)

    def heard(self, number: int) -> None:
        """Take note of a request on a stream, of a change that it has taken, or of its end."""
        if self._is_open(number):
            self._open.add(number)
        else:
            self._open.discard(number)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to wait for: what has not been ACKed was refused."""
        if self._open:
            return False
        envoys = self._delivery.envoys(self._tenant)
        return len(envoys) >= self._envoys and not any(map(self._unasked, envoys))

    def report(self) -> Report:
        """Say who has ACKed what, as it stands now."""
        acked: list[Envoy] = []
        refused: list[Refusal] = []
        waiting: list[Waiting] = []
        envoys = self._delivery.envoys(self._tenant)
        for envoy in envoys:
            refusals, unanswered = self._told_apart(envoy)
            unasked = self._unasked(envoy)
            refused += refusals
            if unanswered or unasked:
                waiting.append(Waiting(envoy, unanswered, unasked))
            elif not refusals:
                acked.append(envoy)
        missing = max(0, self._envoys - len(envoys))
        return Report(self._tenant, tuple(acked), tuple(refused), tuple(waiting), missing)

    def _told_apart(self, envoy: Envoy) -> tuple[list[Refusal], tuple[tuple[str, str], ...]]:
        """Return what an Envoy refused and what it has not answered, of what was asked about."""
        records = {(it.type_url, it.name): it for it in envoy.refusals}
        # Responses that were refused as a whole.
        keys = {key for key in records if self._keys is None and not key[1] and key[0] in self._then}
        unanswered: dict[tuple[str, str], None] = {}
        for number in envoy.streams:
            for key, is_refused in self._missing(number):
                if is_refused and key in records:
                    keys.add(key)
                else:
                    unanswered[key] = None
        return [it for key, it in records.items() if key in keys], tuple(unanswered)

    def _is_open(self, number: int) -> bool:
        return any(not is_refused for _, is_refused in self._missing(number))

    def _missing(self, number: int) -> Iterator[tuple[tuple[str, str], bool]]:
        """Return what a stream's client has not ACKed, some of it twice, and whether it refused that."""
        stream = self._delivery.state(number)
        if stream is None:
            return
        for state in stream.states:
            type_url = state.type_url
            if type_url not in self._then:
                continue
            resources = stream.resources(type_url)
            for name in state.unsettled:
                if self._is_missing(state, name):
                    resource = resources.get(name) if resources is not None else None
                    yield (type_url, name), resource is not None and state.refuses(resource)
            if self._keys is None and (
                state.must_answer or any(not push.steps for push in state.in_flight.values())
            ):
                yield (type_url, ""), False

    def _is_missing(self, state: TypeState, name: str) -> bool:
        """Whether it is asked about, and the client holds neither what there was then nor what came after it.

        What it holds may be what there was before as well, where content returns to what it was: what is on its way to it
        tells, since that is newer than what it holds.
        """
        key = state.type_url, name
        if self._keys is not None and key not in self._keys:
            return False
        wanted = [self._then[state.type_url].get(name), *self._since.get(key, ())]
        step, held = state.under_way(name), state.confirmed(name)
        if step is not None:
            newest = next((place for place, it in enumerate(wanted) if _is(step.after, it)), -1)
            del wanted[newest + 1 :]
        return not any(_is(held, resource) for resource in wanted)

    def _unasked(self, envoy: Envoy) -> tuple[str, ...]:
        """Return the types that an Envoy is to ask for yet."""
        if self._keys is None:
            wants_listeners = self._then.get(LISTENER) and envoy.wants_listeners
            return (LISTENER,) if wants_listeners else ()
        types = dict.fromkeys(
            type_url for type_url, name in self._keys if name in self._then.get(type_url, ())
        )
        return tuple(type_url for type_url in types if type_url not in envoy.types)


def _is(held: Held | None, resource: Resource | None) -> bool:
    return held is None if resource is None else is_content(held, resource)
