"""Which entry of spec.ports goes with which endpoint port."""

import pytest

from kube.objects.pairing import pair
from tests.xds.translate.make import group, load_balancer, translated

CASES = {
    "by name, whatever the position": (("a:1", "b:2"), ("b:20", "a:10"), {1: 0, 0: 1}, ()),
    "nameless by position": (("1", "2/UDP"), ("10", "20/UDP"), {0: 0, 1: 1}, ()),
    "a nameless entry takes a named port": (("http:1",), ("10",), {0: 0}, ()),
    "a named entry takes a nameless port": (("1",), ("http:10",), {0: 0}, ()),
    "two names that differ never pair": (("http:1",), ("web:10",), {}, (0,)),
    "a name of the other protocol does not pair": (("dns:1/UDP",), ("dns:10/TCP",), {}, (0,)),
    "a position of the other protocol does not pair": (("1/UDP",), ("10/TCP",), {}, (0,)),
    "a name wins over the position": (("a:1", "2"), ("10", "a:20"), {0: 1}, (0,)),
    "more entries than ports": (("1",), ("10", "20"), {0: 0}, (1,)),
    "more ports than entries": (("1", "2"), ("10",), {0: 0}, ()),
    "no entries": (("1",), (), {}, ()),
}


@pytest.mark.parametrize(("backends", "entries", "service_of", "unpaired"), CASES.values(), ids=CASES)
def test_pairs(
    backends: tuple[str, ...], entries: tuple[str, ...], service_of: dict[int, int], unpaired: tuple[int, ...]
) -> None:
    """An entry goes with the endpoint port of its name, or where a name is missing with that at its position."""
    lb = load_balancer(group(*backends), ports=entries)

    assert pair(lb) == (service_of, unpaired)


def test_second_group_is_not_paired() -> None:
    """The entries of spec.ports belong to the first endpoint group."""
    lb = load_balancer(group("1"), group("http:2"), ports=("http:80",))

    assert pair(lb).service_of == {0: 0}


def test_finding_of_an_unpaired_entry() -> None:
    """An entry that nothing serves is an error that names it and says what to change."""
    lb = load_balancer(group("http:1"), ports=("http:80", "https:443"))
    (finding,) = translated(lb).findings

    assert (finding.level, finding.condition, finding.path) == ("error", "Accepted", "spec.ports[1]")
    assert 'spec.ports[1] ("https", TCP 443)' in finding.message
    assert 'give the endpoint port the name "https" and protocol TCP' in finding.message
