"""A write's answer counts before the watch has it, and no longer than it is news: without I/O."""

import json
from typing import Any, cast

import pytest

from kube.ccm.cache import Cache
from kube.ccm.copies import Copy, reader
from kube.informer.reflector import Listing, Resource
from kube.informer.removals import Removals
from kube.informer.store import Store
from kube.informer.timing import Timing
from kube.objects import LoadBalancer, ObjectRef

REF = ObjectRef(LoadBalancer.KIND, "tenant-a", "web")
RESOURCE = Resource(LoadBalancer.KIND, "/apis/x", "loadbalancers", reader(LoadBalancer.KIND))


def version(number: int, **spec: Any) -> Copy:
    """Return the object in one of its versions."""
    metadata = {"name": REF.name, "namespace": REF.namespace, "resourceVersion": str(number)}
    return reader(LoadBalancer.KIND)(json.dumps({"metadata": metadata, "spec": spec}).encode())


class Fed:
    """A cache that a test feeds as its reflector would."""

    def __init__(self) -> None:
        self.store = Store(references=lambda _: ())
        self.cache = Cache(
            cast("Any", None),
            RESOURCE,
            self.store,
            Removals(lambda: 0.0),
            use=lambda found: cast("Copy", found).spec.get("used", True),
            timing=Timing(),
            clock=lambda: 0.0,
        )
        self._informer = self.cache._informer

    @property
    def known(self) -> str:
        """The version that is known, empty for none."""
        found = cast("Copy | None", self.store.get(REF))
        return found.metadata.resource_version if found else ""

    def list(self, at: int, *found: Copy) -> None:
        """Have a list that began before this."""
        wanted = {
            each.ref: each for each in found if self._informer.wants(REF, each.metadata.resource_version)
        }
        self._informer.listed(Listing(0.0, str(at), dict(wanted), {}))

    def watch(self, found: Copy) -> None:
        """Have a watch bring a version."""
        if self._informer.wants(REF, found.metadata.resource_version):
            self._informer.changed(found)

    def delete(self, at: int) -> None:
        """Have a watch bring the end."""
        self._informer.deleted(REF, str(at))


@pytest.fixture
def fed() -> Fed:
    """Return a cache that has listed nothing."""
    fed = Fed()
    fed.cache.listing()
    fed.list(1)
    assert fed.store.synced
    return fed


def test_what_was_written_is_known_at_once(fed: Fed) -> None:
    """And what a slow watch brings of the time before is passed over."""
    fed.watch(version(2))
    fed.cache.assume(version(5))
    assert fed.known == "5"
    fed.watch(version(3))
    assert fed.known == "5"
    fed.watch(version(5))
    fed.watch(version(6))
    assert fed.known == "6"


def test_an_answer_that_comes_late(fed: Fed) -> None:
    """What the watch brought after a write is newer than the write's answer, if it comes after another one."""
    fed.cache.assume(version(5))
    fed.cache.assume(version(4))
    assert fed.known == "5"


def test_an_answer_that_the_watch_has_overtaken(fed: Fed) -> None:
    """On a busy machine the watch may bring what came after a write before the write's answer is read: the newer stays."""
    fed.watch(version(5))
    fed.watch(version(6))
    fed.cache.assume(version(5))
    assert fed.known == "6"


def test_an_answer_about_what_is_gone_meanwhile(fed: Fed) -> None:
    """Nor does it bring back what the watch has said is deleted."""
    fed.watch(version(5))
    fed.delete(6)
    fed.cache.assume(version(5))
    assert fed.known == ""


def test_a_list_from_before_lacks_it(fed: Fed) -> None:
    """That is no removal: it was created while the list was on its way."""
    fed.cache.listing()
    fed.cache.assume(version(5))
    fed.list(4)
    assert fed.known == "5"


def test_a_list_from_after_lacks_it(fed: Fed) -> None:
    """That is one, though no watch ever brought the object."""
    fed.cache.assume(version(5))
    fed.cache.listing()
    fed.list(9)
    assert fed.known == ""


def test_versions_that_went_back(fed: Fed) -> None:
    """On an etcd that was restored what was written is as good as never written."""
    fed.cache.assume(version(500))
    fed.cache.listing()
    fed.list(7, version(6))
    assert fed.known == "6"


def test_a_deletion_from_before(fed: Fed) -> None:
    """It was of an earlier object of that name."""
    fed.watch(version(2))
    fed.cache.assume(version(5))
    fed.delete(4)
    assert fed.known == "5"
    fed.delete(6)
    assert fed.known == ""


def test_what_a_write_ended(fed: Fed) -> None:
    """It is gone at once, and its deletion is no news."""
    fed.watch(version(2))
    fed.cache.discard(REF)
    assert fed.known == ""
    fed.delete(3)
    assert fed.known == ""


def test_what_is_of_no_use_any_more(fed: Fed) -> None:
    """It goes from the store, and comes back when it is of use again."""
    fed.watch(version(2))
    fed.watch(version(3, used=False))
    assert fed.known == ""
    fed.watch(version(4))
    assert fed.known == "4"
