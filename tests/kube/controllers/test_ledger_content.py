import uuid
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.controllers.ledger import LIMIT, LedgerTooNewError, decode, encode
from kube.controllers.ports import POOL, Holdings, Key, Rest, assign, owner_of
from tests.kube.controllers.test_ports_assign import claims

WEB = Key("web", "TCP", "https")

_KEYS = st.builds(
    Key, st.sampled_from(["a", "b.c"]), st.sampled_from(["TCP", "UDP"]), st.sampled_from(["x", ":1"])
)
_PORTS = st.integers(0, POOL.size - 1).map(POOL.nth)


def test_the_content_is_readable_and_always_the_same() -> None:
    """A person sees who has which port; the order in which they came does not show."""
    keys = {Key("web", "UDP", ":53"): 20002, WEB: 20001, Key("api", "TCP", "https"): 20003}
    resting = {("TCP", 20005): Rest("0123456789ab", 1_700_000_000)}
    content = encode(Holdings(keys, resting))
    assert content == (
        '{"version":1,"ports":{"api":{"https/TCP":20003},"web":{"https/TCP":20001,":53/UDP":20002}},'
        '"resting":{"1700000000":{"20005/TCP":"0123456789ab"}}}'
    )
    assert encode(Holdings(dict(reversed(keys.items())), resting)) == content


@given(st.dictionaries(_KEYS, _PORTS), st.dictionaries(_PORTS, st.integers(0, 2**40)))
def test_what_is_written_is_read(ports: dict[Key, int], times: dict[int, int]) -> None:
    """Any sound holdings come back as they were."""
    held = {key: port for port, key in {port: key for key, port in ports.items()}.items()}
    resting = {
        ("TCP", port): Rest("owner", since) for port, since in times.items() if port not in held.values()
    }
    assert decode(encode(Holdings(held, resting))) == (Holdings(held, resting), ())


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"version":"1"}', '{"ports":{}}', '{"version":1,"ports":{"a":[]}}', "\udc80"],
)
def test_what_cannot_be_read_is_as_good_as_lost(content: str) -> None:
    """There are no holdings then, and the fault names the key."""
    holdings, faults = decode(content)
    assert holdings == Holdings()
    assert len(faults) == 1
    assert faults[0].startswith("ports.json cannot be read: ")


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ('"https/TCP":19000', "ports.web.https/TCP: 19000: no port of 10000-65534 without 19000-19999"),
        ('"https":20001', "ports.web.https: 20001: the key is no entry/protocol"),
        ('"/TCP":20001', "ports.web./TCP: 20001: the key is no entry/protocol"),
        ('"https/SCTP":20001', "ports.web.https/SCTP: 20001: the key is no entry/protocol"),
        ('"https/TCP":20009', "ports.web.https/TCP: 20009: api.https/TCP has it already"),
    ],
)
def test_a_broken_entry_is_passed_over(entries: str, fault: str) -> None:
    """The others stay; of two that have one port the lower key keeps it."""
    content = f'{{"version":1,"ports":{{"web":{{{entries}}},"api":{{"https/TCP":20009}}}}}}'
    assert decode(content) == (Holdings({Key("api", "TCP", "https"): 20009}), (fault,))


@pytest.mark.parametrize(
    ("resting", "fault"),
    [
        ('"soon":{"20001/TCP":"a"}', "resting.soon.20001/TCP: the time is no number"),
        ('"7":{"x/TCP":"a"}', "resting.7.x/TCP: no port of 10000-65534 without 19000-19999"),
        ('"7":{"20001":"a"}', "resting.7.20001: the key is no entry/protocol"),
        ('"7":{"20009/TCP":"a"}', "resting.7.20009/TCP: api.https/TCP has it already"),
    ],
)
def test_a_broken_rest_is_passed_over(resting: str, fault: str) -> None:
    """A held port does not rest, and a rest without a time has none."""
    content = f'{{"version":1,"ports":{{"api":{{"https/TCP":20009}}}},"resting":{{{resting}}}}}'
    assert decode(content) == (Holdings({Key("api", "TCP", "https"): 20009}), (fault,))


def test_a_later_format_is_left_alone() -> None:
    """While replicas are replaced by a later version, this one does not overwrite what that one has written."""
    with pytest.raises(LedgerTooNewError, match="has version 2, this program knows 1"):
        decode('{"version":2,"ports":{"other":"format"}}')


def test_ten_thousand_loadbalancers_fit_with_ten_thousand_that_rest() -> None:
    """With names as KubeLB gives them the ledger stays below the limit, all LoadBalancers of a tenant replaced within minutes or not."""
    random = Random(6)  # noqa: S311 — always the same
    names = [str(uuid.UUID(int=random.getrandbits(128))) for _ in range(20_000)]
    old = claims(*(Key(name, "TCP", "443-tcp") for name in names[:10_000]))
    new = claims(*(Key(name, "TCP", "443-tcp") for name in names[10_000:]))
    first = assign("tenant-a", Holdings(), old, now=1_700_000_000).holdings
    assert 550_000 < len(encode(first)) < 620_000
    both = assign("tenant-a", first, new, now=1_700_000_000).holdings
    assert len(both.held) == len(both.resting) == 10_000
    assert both.resting["TCP", first.held[Key(names[0], "TCP", "443-tcp")]].owner == owner_of(
        Key(names[0], "TCP", "443-tcp")
    )
    assert len(encode(both)) < LIMIT
    assert decode(encode(both)) == (both, ())
