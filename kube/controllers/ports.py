"""Which listener port each port of a tenant's LoadBalancers gets. Pure: time is passed in, and nothing is random.

A port once given stays as long as what it was given to. The first candidate is a hash of the name, so that whoever knows
nothing of earlier ports (another replica, a restore without status) comes to the same ones but for collisions. Does not know
where allocations are kept, nor LoadBalancers: `allocation` makes keys of those.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

REST: Final = 300.0
"""Seconds that a freed port is given to nobody but its last owner: clients of that one may still be connecting to it."""

_REHASHES: Final = 64
"""Candidates that are hashed before the ports are tried one after the other: with 9 of 10 ports taken, 1 key in 850 gets there."""

_OWNER_DIGITS: Final = 12
"""Hexadecimal digits that a resting port's last owner is known by: 10,000 of them confuse two with a chance of 1 in 5 million."""

Listen: TypeAlias = tuple[str, int]
"""Protocol and port: what two listeners of one Envoy cannot share. TCP 20053 and UDP 20053 are two things."""


class Pool(NamedTuple):
    """The ports that are given out: from `first` to `last`, without some of them."""

    first: int
    last: int
    without: range

    @property
    def size(self) -> int:
        """How many ports there are."""
        return self.last - self.first + 1 - len(self.without)

    def nth(self, index: int) -> int:
        """Return the port at a place, modulo how many there are."""
        port = self.first + index % self.size
        return port if port < self.without.start else port + len(self.without)

    def has(self, port: int) -> bool:
        """Return whether a port is one of them."""
        return self.first <= port <= self.last and port not in self.without

    def __str__(self) -> str:
        return f"{self.first}-{self.last} without {self.without[0]}-{self.without[-1]}"


POOL: Final = Pool(10000, 65534, range(19000, 20000))
"""KubeLB's range, without Envoy's own ports (admin interface and the like)."""


class Key(NamedTuple):
    """What a port is given to: `entry` is the name of an entry of spec.ports, or its number after a colon if it has no name.

    No name has a colon, so an entry named 443 is not mistaken for one without a name.
    """

    lb: str
    protocol: str
    entry: str


class Rest(NamedTuple):
    """A freed port: `owner` is a digest of the key that had it, `since` the whole second in which it was freed (Unix time)."""

    owner: str
    since: int


class Holdings(NamedTuple):
    """All that is known about one tenant's ports: who holds which, and which rest. No port is in both, and none has two holders."""

    held: Mapping[Key, int] = {}
    resting: Mapping[Listen, Rest] = {}


class Claims(NamedTuple):
    """What one tenant's LoadBalancers want.

    `recorded` has every key that there is, with the port that its status records, or None. `mentioned` are all ports that
    stand in any status: whoever reads that one still listens there, so nobody new gets them. `unread` are LoadBalancers that
    exist and cannot be read: what they hold stays.
    """

    recorded: Mapping[Key, int | None]
    mentioned: Collection[Listen] = frozenset()
    unread: Collection[str] = frozenset()

    def has(self, key: Key) -> bool:
        """Return whether a key that holds a port is to hold it on."""
        return key in self.recorded or key.lb in self.unread


class Outcome(NamedTuple):
    """What an assignment comes to.

    `changed`: `holdings` say more than the time that has passed, and are to be kept. `refused`: keys without a port, and when
    (Unix time) it is worth to try again: None when only a change of the claims can help. `moved`: keys that could not keep
    the port that their status records, as another key has it, or it is none of the pool's.
    """

    holdings: Holdings
    changed: bool
    refused: Mapping[Key, float | None]
    moved: Mapping[Key, int]


def assign(
    tenant: str,
    holdings: Holdings,
    claims: Claims,
    *,
    now: float,
    rest: float = REST,
    pool: Pool = POOL,
    closed: bool = False,
) -> Outcome:
    """Give each key that wants one a port, and free those that nobody wants any more.

    Who holds a port keeps it. Who held one that still rests gets it back. Then what a status records is taken over, the lowest
    key first. Only then do the others get new ones. With `closed`, no key gets a port that it does not hold.
    """
    work = _Work(tenant, holdings, claims, now=now, rest=rest, pool=pool)
    new = sorted(key for key in claims.recorded if key not in holdings.held)
    if new and not closed:
        work.add(new)
    refused = dict.fromkeys(new) if closed else work.refused
    return Outcome(Holdings(work.held, work.resting), work.changed, refused, work.moved)


def candidates(tenant: str, key: Key, pool: Pool = POOL) -> Iterator[int]:
    """Return the ports of a pool in the order in which a key would have them: some by hash, then all the others."""
    port = 0
    for counter in range(_REHASHES):
        port = pool.nth(_hash(tenant, *key, str(counter)))
        yield port
    for step in chain(range(port + 1, pool.last + 1), range(pool.first, port)):
        if pool.has(step):
            yield step


def owner_of(key: Key) -> str:
    """Return what a key is known by while a port of it rests."""
    return f"{_hash(*key):064x}"[:_OWNER_DIGITS]


class _Work:
    """One assignment in the making."""

    def __init__(
        self, tenant: str, holdings: Holdings, claims: Claims, *, now: float, rest: float, pool: Pool
    ) -> None:
        self.changed = False
        self.refused: dict[Key, float | None] = {}
        self.moved: dict[Key, int] = {}
        self._tenant = tenant
        self._claims = claims
        self._pool = pool
        self._rest = rest
        self.resting = self._still_resting(holdings.resting, now)
        self.held = {key: port for key, port in holdings.held.items() if claims.has(key)}
        if len(self.held) != len(holdings.held):
            self._free((key, port) for key, port in holdings.held.items() if not claims.has(key))

    def _still_resting(self, resting: Mapping[Listen, Rest], now: float) -> dict[Listen, Rest]:
        """Drop what has rested enough, which alone is no change. A time far ahead is a clock gone wrong: it counts from now."""
        self._second = math.ceil(now)
        kept = {}
        for listen, (owner, since) in resting.items():
            if since > self._second + self._rest:
                kept[listen] = Rest(owner, self._second)
                self.changed = True
            elif now < since + self._rest:
                kept[listen] = Rest(owner, since)
        return kept

    def _free(self, gone: Iterator[tuple[Key, int]]) -> None:
        self.changed = True
        for key, port in gone:
            self.resting[key.protocol, port] = Rest(owner_of(key), self._second)

    def add(self, new: list[Key]) -> None:
        """Give ports to keys that hold none, the lowest first."""
        self._taken = {(key.protocol, port) for key, port in self.held.items()}
        left = self._give_recorded(self._give_back(new))
        self._taken.update(self._claims.mentioned)
        full: set[str] = set()
        for key in left:
            if key.protocol in full or not self._give_any(key):
                full.add(key.protocol)
                self.refused[key] = self._next_rested(key.protocol)

    def _give_back(self, new: list[Key]) -> list[Key]:
        """Give ports that rest back to who had them; return who had none."""
        if not self.resting:
            return new
        by_owner = {(listen[0], rest.owner): listen for listen, rest in self.resting.items()}
        left = []
        for key in new:
            listen = by_owner.pop((key.protocol, owner_of(key)), None)
            if listen is None:
                left.append(key)
            else:
                del self.resting[listen]
                self._give(key, listen)
        return left

    def _give_recorded(self, new: list[Key]) -> list[Key]:
        """Leave keys the port that their status records; return who gets none that way."""
        left = []
        for key in new:
            port = self._claims.recorded[key]
            if port is not None and self._pool.has(port) and self._is_free((key.protocol, port)):
                self._give(key, (key.protocol, port))
                continue
            if port is not None:
                self.moved[key] = port
            left.append(key)
        return left

    def _give_any(self, key: Key) -> bool:
        for port in candidates(self._tenant, key, self._pool):
            if self._is_free((key.protocol, port)):
                self._give(key, (key.protocol, port))
                return True
        return False

    def _is_free(self, listen: Listen) -> bool:
        return listen not in self._taken and listen not in self.resting

    def _give(self, key: Key, listen: Listen) -> None:
        self.held[key] = listen[1]
        self._taken.add(listen)
        self.changed = True

    def _next_rested(self, protocol: str) -> float | None:
        ends = (rest.since + self._rest for (of, _), rest in self.resting.items() if of == protocol)
        return min(ends, default=None)


def _hash(*words: str) -> int:
    return int.from_bytes(sha256("\0".join(words).encode()).digest())
