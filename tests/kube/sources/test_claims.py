from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kube.objects import Addresses, Fault, InvalidObject, ObjectRef, decode
from kube.sources.claims import Claims, Delta, Duplicate, FileKey
from kube.sources.reading import Entry
from tests.support.examples import examples

FIRST, SECOND, THIRD = FileKey(0, "b.yaml"), FileKey(0, "b/c.yaml"), FileKey(1, "a.yaml")


def ref(name: str) -> ObjectRef:
    """Name an Addresses object."""
    return ObjectRef("Addresses", "t", name)


def version(name: str, number: int) -> Addresses:
    """Return one of several versions of an object."""
    value = decode(
        {
            "apiVersion": "kubelb.k8c.io/v1alpha1",
            "kind": "Addresses",
            "metadata": {"name": name, "namespace": "t"},
            "spec": {"addresses": [{"ip": f"10.0.0.{number}"}]},
        }
    )
    assert isinstance(value, Addresses)
    return value


def giving(*objects: Addresses | InvalidObject) -> dict[ObjectRef, Entry]:
    """Return the entries of a file that gives these, one a line."""
    return {value.ref: Entry(line, value) for line, value in enumerate(objects, 1)}


def test_a_file_holds_what_it_alone_gives() -> None:
    """What one file gives is its own: it comes with it, and goes with it."""
    claims = Claims()
    a, b = version("a", 1), version("b", 1)
    assert claims.update({FIRST: giving(a, b)}) == Delta([a, b], [], [])
    assert claims.of_file(FIRST) == giving(a, b)
    assert claims.update({FIRST: {}}) == Delta([], [a.ref, b.ref], [])
    assert claims.of_file(FIRST) == {}


def test_the_first_file_holds_what_several_give() -> None:
    """Of several files the first counts, whichever came first; the next takes over when it lets go."""
    claims = Claims()
    versions = {SECOND: version("a", 2), THIRD: version("a", 3), FIRST: version("a", 1)}
    holders = [claims.update({key: giving(value)}).upserts for key, value in versions.items()]
    assert holders == [[versions[SECOND]], [versions[SECOND]], [versions[FIRST]]]
    assert set(claims.duplicates()) == {
        Duplicate(ref("a"), FIRST, SECOND, 1),
        Duplicate(ref("a"), FIRST, THIRD, 1),
    }
    assert claims.update({FIRST: {}}) == Delta([versions[SECOND]], [], [])
    assert claims.update({SECOND: {}}) == Delta([versions[THIRD]], [], [])
    assert list(claims.duplicates()) == []
    assert claims.update({THIRD: {}}) == Delta([], [ref("a")], [])


def test_an_object_may_change_hands_in_one_update() -> None:
    """An object that one file lets go and another gives in the same update is not removed."""
    claims = Claims()
    claims.update({FIRST: giving(version("a", 1))})
    assert claims.update({FIRST: {}, SECOND: giving(version("a", 2))}) == Delta([version("a", 2)], [], [])


def test_an_invalid_object_is_held_like_a_good_one() -> None:
    """An invalid object of the first file counts, however good another file's is."""
    claims = Claims()
    claims.update({SECOND: giving(version("a", 2))})
    error = InvalidObject(ref("a"), (Fault("spec", "1", "must be an object"),))
    assert claims.update({FIRST: giving(error)}) == Delta([], [], [error])
    assert claims.update({FIRST: {}}) == Delta([version("a", 2)], [], [])


class ClaimsMachine(RuleBasedStateMachine):
    """Drives the claims, and holds what a store was told against a look at all files."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = Claims()
        self.files: dict[FileKey, dict[ObjectRef, Entry]] = {}
        self.told: dict[ObjectRef, Addresses] = {}

    @rule(
        files=st.dictionaries(
            st.sampled_from([FIRST, SECOND, THIRD]),
            st.dictionaries(st.sampled_from("abc"), st.integers(1, 3)),
            min_size=1,
        )
    )
    def update(self, files: dict[FileKey, dict[str, int]]) -> None:
        """Let some files give other objects than before."""
        given = {
            key: giving(*(version(name, number) for name, number in names.items()))
            for key, names in files.items()
        }
        self.files |= given
        delta = self.claims.update(given)
        for gone in delta.removals:
            del self.told[gone]
        for value in delta.upserts:
            assert isinstance(value, Addresses)
            self.told[value.ref] = value

    @invariant()
    def told_what_the_first_files_give(self) -> None:
        """See that the store was told of every object the version of the first file that gives it."""
        expected = {
            target: entry.value
            for key in sorted(self.files, reverse=True)
            for target, entry in self.files[key].items()
        }
        assert self.told == expected

    @invariant()
    def knows_all_duplicates(self) -> None:
        """See that each version that does not count is a duplicate of the one that does."""
        claimants = {
            target: [key for key in sorted(self.files) if target in self.files[key]]
            for entries in self.files.values()
            for target in entries
        }
        assert set(self.claims.duplicates()) == {
            Duplicate(target, keys[0], key, self.files[key][target].line)
            for target, keys in claimants.items()
            for key in keys[1:]
        }


TestClaimsAgainstAllFiles = ClaimsMachine.TestCase
TestClaimsAgainstAllFiles.settings = settings(
    max_examples=examples(50), stateful_step_count=20, deadline=None
)
