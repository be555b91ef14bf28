"""Orders of events that random play seldom finds: when a Secret is known well enough for a LoadBalancer that names it."""

from collections.abc import Iterator

import pytest

from kube.objects import ObjectRef
from tests.kube.sources.test_slice_model import TENANT, Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Yield a cluster all of whose informers have listed, with one Secret; in the end the store has to be what it is."""
    cluster = Cluster()
    cluster.begin({"a"}, "LoadBalancer Secret")
    yield cluster
    cluster.teardown()


def _stored(cluster: Cluster, kind: str, name: str) -> bool:
    return cluster.store.get(ObjectRef(kind, TENANT, name)) is not None


def test_a_secret_that_changes_hands_in_one_list(cluster: Cluster) -> None:
    """When a list brings that one LoadBalancer no longer names a Secret and another does, the Secret stays."""
    cluster.put_loadbalancer("a", "a", 20_000)
    cluster.put_loadbalancer("b", None, 20_001)
    cluster._hear("LoadBalancer", 2)
    cluster._answer("a")
    cluster.put_loadbalancer("a", None, 20_000)
    cluster.put_loadbalancer("b", "a", 20_001)
    cluster._begin("LoadBalancer")
    cluster._finish("LoadBalancer")
    assert _stored(cluster, "Secret", "a")
    assert cluster.api.fetches == {}


def test_a_secret_that_one_lacks_is_looked_for_again(cluster: Cluster) -> None:
    """A LoadBalancer that names a Secret which another one lacks waits: it may be there, and the watch be late."""
    cluster.put_loadbalancer("a", "c", 20_000)
    cluster._hear("LoadBalancer", 1)
    cluster._answer("c")
    assert _stored(cluster, "LoadBalancer", "a")
    cluster.put_secret("c", "one")
    cluster.put_loadbalancer("b", "c", 20_001)
    cluster._hear("LoadBalancer", 1)
    assert not _stored(cluster, "LoadBalancer", "b")
    cluster._answer("c")
    assert _stored(cluster, "LoadBalancer", "b")
    assert _stored(cluster, "Secret", "c")


def test_a_fetch_that_nobody_waits_for_any_more_keeps_nobody_waiting() -> None:
    """Everything is passed on when the last fetch is over, also where it ends because its LoadBalancer is deleted."""
    cluster = Cluster()
    cluster.begin(set(), "LoadBalancer")
    cluster._begin("Secret")
    cluster.put_loadbalancer("a", "a", 20_000)
    cluster.put_loadbalancer("b", None, 20_001)
    cluster._hear("LoadBalancer", 2)
    cluster._finish("Secret")
    assert not cluster.store.synced
    cluster.delete("LoadBalancer", "a")
    cluster._hear("LoadBalancer", 1)
    assert cluster.store.synced
    assert _stored(cluster, "LoadBalancer", "b")
    cluster.teardown()


def test_a_fetch_that_a_list_overtakes(cluster: Cluster) -> None:
    """A fetch that was sent before a list of Secrets is sent again after it: what it asked for may be gone since."""
    cluster.put_loadbalancer("a", "a", 20_000)
    cluster._hear("LoadBalancer", 1)
    fetch = cluster.api.fetches["a"]
    cluster.delete("Secret", "a")
    cluster._begin("Secret")
    cluster._finish("Secret")
    assert fetch.cancelled()
    cluster._answer("a")
    assert _stored(cluster, "LoadBalancer", "a")
    assert not _stored(cluster, "Secret", "a")


def test_a_watch_that_is_behind_a_fetch_takes_nothing_back(cluster: Cluster) -> None:
    """What the watch tells late of a fetched Secret, its older content and its deletion before that, is passed over."""
    cluster.put_secret("c", "one")
    cluster.delete("Secret", "c")
    cluster.put_secret("c", "two")
    cluster.put_loadbalancer("a", "c", 20_000)
    cluster._hear("LoadBalancer", 1)
    cluster._answer("c")
    seen = cluster.store.get(ObjectRef("Secret", TENANT, "c"))
    assert seen is not None
    for _ in range(3):
        cluster._hear("Secret", 1)
        assert cluster.store.get(ObjectRef("Secret", TENANT, "c")) == seen
        assert cluster.store.next_expiry is None
