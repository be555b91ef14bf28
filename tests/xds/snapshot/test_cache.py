from tests.support.resources import cluster, listener
from xds.snapshot import Changes, Snapshot, SnapshotCache, Watcher
from xds.snapshot.types import CLUSTER, LISTENER


class Listening:
    """A watcher that keeps what it hears, and what the snapshot was then."""

    def __init__(self) -> None:
        self.heard: list[tuple[list[str], dict[str, list[str]]]] = []

    def __call__(self, snapshot: Snapshot | None, changes: Changes) -> None:
        """Take note of a change."""
        resources = snapshot.get(CLUSTER) if snapshot is not None else None
        names = [resource.name for resource in resources or ()]
        self.heard.append((names, {type_url: list(changed) for type_url, changed in changes.items()}))


def test_a_tenant_that_was_never_set_has_no_snapshot() -> None:
    """None is not an empty snapshot: such a tenant's Envoys are left as they are."""
    cache = SnapshotCache((CLUSTER,))
    assert (cache.get("a"), cache.tenants) == (None, ())


def test_an_update_makes_the_snapshot_with_all_types() -> None:
    """The first update makes a snapshot that knows the cache's types, even when it brings nothing."""
    cache = SnapshotCache((CLUSTER, LISTENER))
    assert cache.update("a") == {}
    snapshot = cache.get("a")
    assert snapshot is not None
    assert (snapshot.types, cache.tenants) == ((CLUSTER, LISTENER), ("a",))


def test_watchers_hear_of_their_tenant_with_the_new_state() -> None:
    """Who watches a tenant hears of each transaction once, after it, and of no other tenant's."""
    cache = SnapshotCache((CLUSTER,))
    watcher = Listening()
    cache.watch("a", watcher)
    cache.update("a")
    cache.update("b", [cluster("x")])
    cache.update("a", [cluster("x"), cluster("y"), listener("l")])
    cache.update("a", [cluster("x")])  # nothing new
    cache.update("a", (), [(CLUSTER, "x")])
    assert watcher.heard == [
        ([], {}),
        (["x", "y"], {CLUSTER: ["x", "y"], LISTENER: ["l"]}),
        (["y"], {CLUSTER: ["x"]}),
    ]


def test_a_watch_that_ended_hears_nothing() -> None:
    """After its end a watcher is not called, and the tenant is watched by the others still."""
    cache = SnapshotCache()
    one, other = Listening(), Listening()
    unwatch = cache.watch("a", one)
    cache.watch("a", other)
    unwatch()
    unwatch()
    cache.update("a", [cluster("x")])
    assert (one.heard, len(other.heard), cache.watched("a")) == ([], 1, True)


def test_nobody_watches_a_tenant_when_all_watches_ended() -> None:
    """What is kept for a tenant's watchers goes with the last of them."""
    cache = SnapshotCache()
    unwatch = cache.watch("a", Listening())
    assert cache.watched("a")
    unwatch()
    assert not cache.watched("a")


def test_watchers_hear_in_the_order_in_which_they_came() -> None:
    """The order of a push to several streams is the same in every run."""
    cache = SnapshotCache()
    order: list[int] = []

    def watcher(number: int) -> Watcher:
        return lambda _, __: order.append(number)

    for number in range(20):
        cache.watch("a", watcher(number))
    cache.update("a")
    assert order == list(range(20))


def test_a_watch_that_ends_during_an_update_hears_of_that_no_more() -> None:
    """A watcher may end another one's watch, and begin a new one, which hears from the next update on."""
    cache = SnapshotCache()
    second, third = Listening(), Listening()

    def first(_: Snapshot | None, __: Changes) -> None:
        end_second()
        cache.watch("a", third)

    cache.watch("a", first)
    end_second = cache.watch("a", second)
    cache.update("a", [cluster("x")])
    assert (second.heard, third.heard) == ([], [])
    cache.update("a", [cluster("y")])
    assert len(third.heard) == 1
