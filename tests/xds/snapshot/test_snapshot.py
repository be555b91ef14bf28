from hypothesis import given
from hypothesis import strategies as st

from tests.support.resources import cluster, endpoints, listener
from xds.messages import DiscoveryResponse
from xds.snapshot import Resource, ResourceSet, Snapshot, delta_bytes, sotw_bytes, version_of
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

RESOURCES = st.builds(cluster, st.sampled_from("abcdef"), st.integers(0, 3))
TRANSACTIONS = st.lists(
    st.tuples(
        st.lists(RESOURCES, max_size=4),
        st.lists(st.tuples(st.just(CLUSTER), st.sampled_from("abcdef")), max_size=3),
    ),
    max_size=6,
)


def clusters(snapshot: Snapshot) -> ResourceSet:
    """Return a snapshot's clusters."""
    resources = snapshot.get(CLUSTER)
    assert resources is not None
    return resources


def test_a_transaction_says_what_it_changed() -> None:
    """What is new, other or gone is a change, and what was there before is told; equal content, and what is not there, is none."""
    before = {name: cluster(name) for name in "abc"}
    snapshot = Snapshot((), before.values())
    changes = snapshot.update(
        [cluster("a"), cluster("b", 2), listener("l")], [(CLUSTER, "c"), (CLUSTER, "d"), (ENDPOINT, "e")]
    )
    assert changes == {CLUSTER: {"b": before["b"], "c": before["c"]}, LISTENER: {"l": None}}
    assert clusters(snapshot).names == {"a", "b"}
    assert clusters(snapshot).get("b") is not None
    assert clusters(snapshot).get("c") is None


def test_what_is_removed_and_upserted_in_one_transaction_stays() -> None:
    """A producer may name all that it had as removed, and all that it has as upserted."""
    kept, gone = cluster("a"), cluster("b")
    snapshot = Snapshot((), [kept, gone])
    removals = [(CLUSTER, "a"), (CLUSTER, "b")]
    assert snapshot.update([cluster("a")], removals) == {CLUSTER: {"b": gone}}
    assert snapshot.update([cluster("a", 2)], removals) == {CLUSTER: {"a": kept}}


def test_of_several_upserts_of_a_name_the_last_counts() -> None:
    """What a transaction passes through is no change."""
    before = cluster("a")
    snapshot = Snapshot((), [before])
    assert snapshot.update([cluster("a", 2), cluster("a")]) == {}
    assert snapshot.update([cluster("a"), cluster("a", 2)]) == {CLUSTER: {"a": before}}


def test_changes_keep_the_order_of_the_transaction() -> None:
    """Resources are sent in the order in which they were given, in every run."""
    names = [f"cluster-{number}" for number in range(50)]
    assert list(Snapshot().update([cluster(name) for name in names])[CLUSTER]) == names


def test_rule_04_a_type_that_was_never_set_is_unknown_and_not_empty() -> None:
    """A type is known from the start when it is said so, else from its first resource on, and stays so."""
    snapshot = Snapshot((CLUSTER,))
    assert (snapshot.types, len(clusters(snapshot)), snapshot.get(ENDPOINT)) == ((CLUSTER,), 0, None)
    snapshot.update([endpoints("a")])
    snapshot.update((), [(ENDPOINT, "a")])
    assert snapshot.types == (CLUSTER, ENDPOINT)
    assert snapshot.get(ENDPOINT) is not None


@given(TRANSACTIONS, st.randoms())
def test_rule_34_the_version_depends_on_the_content_only(
    transactions: list[tuple[list[Resource], list[tuple[str, str]]]], random: object
) -> None:
    """However a set came to hold its resources, one that was built of them at once in another order has its version."""
    snapshot = Snapshot((CLUSTER,))
    for upserts, removals in transactions:
        before, version = list(clusters(snapshot)), clusters(snapshot).version
        changes = snapshot.update(upserts, removals)
        assert bool(changes) == (sorted(map(repr, before)) != sorted(map(repr, clusters(snapshot))))
        assert bool(changes) == (version != clusters(snapshot).version)
    resources = list(clusters(snapshot))
    random.shuffle(resources)  # type: ignore[attr-defined]
    assert ResourceSet(resources).version == version_of(resources) == clusters(snapshot).version


def test_rule_34_a_types_version_changes_only_with_that_type() -> None:
    """A change of listeners leaves the clusters' version as it is."""
    snapshot = Snapshot((), [cluster("a"), listener("a")])
    version = clusters(snapshot).version
    snapshot.update([listener("a", 2)])
    assert clusters(snapshot).version == version


def test_rule_34_versions_are_the_same_after_a_restart() -> None:
    """The version of some content is written down here: another one would make every Envoy take everything anew."""
    assert ResourceSet().version == "0000000000000000"
    assert ResourceSet([cluster("a"), cluster("b", 2)]).version == "d20d13372c9b1084"


def test_the_joined_bytes_are_those_of_what_there_is() -> None:
    """All resources as one response carries them are joined once, and anew after each change."""
    snapshot = Snapshot((), [cluster("a"), cluster("b")])
    first = clusters(snapshot).whole(delta=False)
    assert clusters(snapshot).whole(delta=False) is first
    for upserts, removals in (([cluster("a", 2)], []), ([cluster("c")], []), ([], [(CLUSTER, "b")])):
        snapshot.update(upserts, removals)
        now = tuple(clusters(snapshot))
        names = tuple(resource.name for resource in now)
        assert clusters(snapshot).whole(delta=False) == (now, names, sotw_bytes(now))
        assert clusters(snapshot).whole(delta=True) == (now, names, delta_bytes(now))
    resources, _, encoded = clusters(snapshot).whole(delta=False)
    parsed = DiscoveryResponse.FromString(encoded).resources
    assert [packed.SerializeToString() for packed in parsed] == [resource.body for resource in resources]


def test_a_set_is_a_collection_of_its_resources() -> None:
    """It has a length, iterates over its resources, and knows names."""
    one, two = cluster("a"), cluster("b")
    resources = ResourceSet([one, two])
    assert (len(resources), list(resources), resources.get("a")) == (2, [one, two], one)
    assert "a" in resources
    assert "c" not in resources
    assert list(resources.names) == ["a", "b"]


def test_a_snapshot_without_resources_is_empty() -> None:
    """Known types do not fill a snapshot, resources do, and what is gone does not."""
    snapshot = Snapshot((CLUSTER, LISTENER))
    assert snapshot.is_empty
    snapshot.update([listener("a")])
    assert not snapshot.is_empty
    snapshot.update((), [(LISTENER, "a")])
    assert snapshot.is_empty


def test_sets_and_snapshots_say_what_they_hold() -> None:
    """In a failed test they show how much of what there is."""
    snapshot = Snapshot(
        (ENDPOINT,), [cluster("a"), Resource(type_url="example/a.Thing", name="a", value=b"")]
    )
    assert repr(snapshot) == "Snapshot(EDS: 0, CDS: 1, Thing: 1)"
    assert repr(clusters(snapshot)) == f"ResourceSet(1 resources, version {clusters(snapshot).version})"
