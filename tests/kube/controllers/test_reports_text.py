import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.controllers.report_text import LONGEST_REPORT, Unit, encode_standing, joined
from kube.controllers.standing import Standing


class Said(msgspec.Struct):
    """A report's text."""

    tenants: dict[str, Standing] = {}
    unnamed: int = 0


def read(text: bytes) -> Said:
    """Read a report's text."""
    return msgspec.json.decode(text, type=Said)


def report(standings: dict[str, Standing], longest: int = LONGEST_REPORT) -> bytes:
    """Return the report of some tenants."""
    return joined([encode_standing(tenant, standing) for tenant, standing in standings.items()], longest)


def test_what_is_said_is_read() -> None:
    """A report that has room for everything is read as what was said."""
    standings = {
        "tenant-a": Standing(version="0123456789abcdef", envoys=2, behind={"b", "a"}, refused={"c": 'né"in'}),
        "tenant-b": Standing(version="fedcba9876543210", envoys=1),
    }
    assert read(report(standings)) == Said(standings)
    assert read(report({})) == Said()


def test_the_same_is_the_same_text() -> None:
    """The order in which names became known leaves no trace."""
    one = Standing(behind=set("abcdef"), refused={"x": "1", "y": "2"})
    other = Standing(behind=set("fedcba"), refused={"y": "2", "x": "1"})
    assert encode_standing("t", one) == encode_standing("t", other)


def test_ten_thousand_behind_are_all_named() -> None:
    """10,000 LoadBalancers with names as KubeLB gives them are named in half of what a ConfigMap takes."""
    names = {f"0b7a51c2-3a2f-4a1e-9d51-{index:012x}" for index in range(10_000)}
    text = report({"tenant-a": Standing(version="v", envoys=1, behind=names)})
    assert len(text) < 500_000
    assert read(text).tenants["tenant-a"].behind == names


def test_too_many_to_name_are_counted() -> None:
    """10,000 with the longest names, or refused at length, are counted; a small tenant beside them is named all the same."""
    names = [f"{'n' * 240}-{index}" for index in range(10_000)]
    small = Standing(version="v", envoys=1, behind={"a"}, refused={"b": "x" * 2000})
    for large in (
        Standing(version="v", envoys=3, behind=set(names)),
        Standing(version="v", envoys=3, refused=dict.fromkeys(names, "y" * 2000)),
    ):
        text = report({"large": large, "small": small})
        assert len(text) <= LONGEST_REPORT
        assert read(text).tenants == {
            "large": Standing(version="v", envoys=3, unnamed=10_000),
            "small": small,
        }


def test_words_are_cut_before_names_are_left_out() -> None:
    """Where Envoy's words alone are too many, they are cut and every name is there."""
    refused = {f"lb-{index}": "z" * 2000 for index in range(1000)}
    said = read(report({"t": Standing(version="v", envoys=1, refused=refused)}))
    assert said.tenants["t"].refused.keys() == refused.keys()
    assert {len(text) for text in said.tenants["t"].refused.values()} == {160}


def test_tenants_without_room_are_counted() -> None:
    """Where not even the tenants have room, the report says of how many it says nothing."""
    standings = {
        f"tenant-{index:055}": Standing(version="0123456789abcdef", envoys=1) for index in range(20_000)
    }
    text = report(standings)
    said = read(text)
    assert len(text) <= LONGEST_REPORT
    assert said.unnamed > 0
    assert said.unnamed + len(said.tenants) == 20_000


STANDINGS = st.builds(
    Standing,
    version=st.sampled_from(["", "v"]),
    envoys=st.integers(1, 3),
    behind=st.sets(st.sampled_from(["a", "bbbbbb", "cccccccccccc"])),
    refused=st.dictionaries(st.sampled_from(["d", "eeeeee"]), st.text(max_size=300)),
    unnamed=st.integers(0, 1),
)


@settings(deadline=None)
@given(
    standings=st.dictionaries(st.text(min_size=1, max_size=20), STANDINGS, max_size=4),
    longest=st.integers(40, 800),
)
def test_nothing_is_lost_without_being_counted(standings: dict[str, Standing], longest: int) -> None:
    """Whatever the room, a report fits into it, and what is not named in it is counted."""
    text = report(standings, longest)
    assert len(text) <= longest
    said = read(text)
    assert len(said.tenants) + said.unnamed == len(standings)
    for tenant, read_back in said.tenants.items():
        standing = standings[tenant]
        assert (read_back.version, read_back.envoys) == (standing.version, standing.envoys)
        if read_back.unnamed > standing.unnamed:
            assert read_back.unnamed == len(standing.behind) + len(standing.refused) + standing.unnamed
        else:
            assert (read_back.behind, read_back.refused.keys()) == (standing.behind, standing.refused.keys())


def test_a_unit_is_no_larger_when_it_says_less() -> None:
    """Each of a tenant's three forms is no longer than the one before, but for what the count itself takes."""
    unit: Unit = encode_standing("t", Standing(envoys=1, refused={"a": "x" * 500, "b": "y"}))
    assert len(unit.full) > len(unit.short) > len(unit.bare)
