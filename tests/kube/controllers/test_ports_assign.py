from collections import Counter
from itertools import islice

import pytest

from kube.controllers.ports import (
    POOL,
    REST,
    Claims,
    Holdings,
    Key,
    Outcome,
    Pool,
    assign,
    candidates,
    owner_of,
)

TENANT = "tenant-a"
NOW = 1_700_000_000.0
FIRST_CANDIDATES = [42649, 17833, 53994]
OWNER = "072ab036e3bf"
TINY = Pool(10000, 10004, range(10001, 10003))
"""Three ports: 10000, 10003, 10004."""


def key(lb: str, protocol: str = "TCP", entry: str = "main") -> Key:
    """Return a key."""
    return Key(lb, protocol, entry)


def claims(*keys: Key, **recorded: int) -> Claims:
    """Return claims without records, and by LoadBalancer's name such with one."""
    with_records = {key(name): port for name, port in recorded.items()}
    mentioned = {("TCP", port) for port in recorded.values()}
    return Claims(dict.fromkeys(keys) | with_records, mentioned)


def held(**ports: int) -> Holdings:
    """Return what LoadBalancers of these names hold."""
    return Holdings({key(name): port for name, port in ports.items()})


def run(holdings: Holdings, wanted: Claims, *, now: float = NOW, pool: Pool = POOL) -> Outcome:
    """Assign in one tenant."""
    return assign(TENANT, holdings, wanted, now=now, pool=pool)


def test_a_pool_gives_exactly_its_ports() -> None:
    """Each place has a port of its own, none below, above or among those left out."""
    assert [TINY.nth(index) for index in range(4)] == [10000, 10003, 10004, 10000]
    ports = {POOL.nth(index) for index in range(POOL.size)}
    assert len(ports) == POOL.size == 54535
    assert all(POOL.has(port) for port in ports)
    assert (min(ports), max(ports)) == (10000, 65534)
    assert not ports & {*range(19000, 20000)}
    assert [POOL.has(port) for port in (9999, 18999, 19000, 19999, 20000, 65535)] == [
        False, True, False, False, True, False,
    ]  # fmt: skip


def test_the_first_candidate_never_changes() -> None:
    """The same names give the same ports in every version of this program: a restore without any record relies on it."""
    assert [*islice(candidates(TENANT, key("web")), 3)] == FIRST_CANDIDATES
    assert owner_of(key("web")) == OWNER


def test_candidates_are_spread_and_in_the_end_complete() -> None:
    """Each port is among the candidates of each key, and first candidates are all over the range."""
    assert {*candidates(TENANT, key("web"))} == {POOL.nth(index) for index in range(POOL.size)}
    first = [next(candidates(TENANT, key(f"web-{number}"))) for number in range(5000)]
    tenths = Counter((port - POOL.first) // 5554 for port in first)
    assert min(tenths.values()) > 300  # the one with Envoy's ports has 80 % of the others
    assert next(candidates("tenant-b", key("web"))) != next(candidates(TENANT, key("web")))


def test_who_wants_a_port_gets_its_first_candidate() -> None:
    """A key alone in its tenant has what its name says."""
    outcome = run(Holdings(), claims(key("web")))
    assert outcome.holdings.held == {key("web"): FIRST_CANDIDATES[0]}
    assert outcome.changed
    assert not outcome.refused


def test_nothing_changes_when_nothing_changes() -> None:
    """The same claims again, and time that passes over a resting port, are no change; the rest is forgotten."""
    first = run(held(gone=20001), claims(key("web"), key("dns", "UDP")))
    assert run(first.holdings, claims(key("web"), key("dns", "UDP"))).changed is False
    later = run(first.holdings, claims(key("web"), key("dns", "UDP")), now=NOW + REST)
    assert later == Outcome(first.holdings._replace(resting={}), changed=False, refused={}, moved={})


def test_tcp_and_udp_may_share_a_number() -> None:
    """Ports are unique in a protocol."""
    tcp, udp = key("web"), key("web", "UDP")
    wanted = Claims({tcp: 20001, udp: 20001}, {("TCP", 20001), ("UDP", 20001)})
    assert run(Holdings(), wanted).holdings.held == {tcp: 20001, udp: 20001}


def test_a_collision_takes_the_next_candidate() -> None:
    """Who comes later, or has the higher name, goes on to its next candidate; what is there stays."""
    first, second = islice(candidates(TENANT, key("web")), 2)
    outcome = run(held(other=first), claims(key("other"), key("web")))
    assert outcome.holdings.held == {key("other"): first, key("web"): second}


def test_a_freed_port_rests() -> None:
    """It is given to nobody else while it rests, and to whoever wants it afterwards."""
    port = next(candidates(TENANT, key("web")))
    freed = run(held(gone=port), claims())
    assert freed.holdings.resting == {("TCP", port): (owner_of(key("gone")), NOW)}
    assert run(freed.holdings, claims(key("web")), now=NOW + REST - 1).holdings.held[key("web")] != port
    assert run(freed.holdings, claims(key("web")), now=NOW + REST).holdings.held[key("web")] == port


def test_a_freed_port_rests_for_the_whole_time() -> None:
    """Times are written down in whole seconds, and the rest is not shortened by that."""
    port = next(candidates(TENANT, key("web")))
    freed = run(held(gone=port), claims(), now=NOW + 0.75)
    assert run(freed.holdings, claims(key("web")), now=NOW + REST + 0.5).holdings.held[key("web")] != port


def test_a_freed_port_goes_back_to_who_had_it() -> None:
    """A LoadBalancer that is created anew under its name has its port again at once, whatever a backup of its status says."""
    freed = run(held(web=20001), claims())
    for wanted in (claims(key("web")), claims(web=20002)):
        again = run(freed.holdings, wanted, now=NOW + 1)
        assert again.holdings == held(web=20001)
        assert again.changed


def test_a_recorded_port_does_not_break_a_rest() -> None:
    """What a status records is not taken over while it rests from another key."""
    freed = run(held(gone=20001), claims())
    outcome = run(freed.holdings, claims(web=20001))
    assert outcome.holdings.held[key("web")] != 20001
    assert outcome.moved == {key("web"): 20001}


def test_a_time_far_ahead_counts_from_now() -> None:
    """A clock that went wrong by a year delays a port by one rest, not by a year."""
    freed = run(held(gone=20001), claims(), now=NOW + 3e7)
    seen = run(freed.holdings, claims())
    assert seen.changed
    assert seen.holdings.resting["TCP", 20001].since == NOW
    assert not run(seen.holdings, claims(), now=NOW + REST).holdings.resting


def test_clocks_that_differ_a_little_change_nothing() -> None:
    """What another leader freed a second ahead of this one's clock is left as it is."""
    freed = run(held(gone=20001), claims(), now=NOW + 1)
    assert run(freed.holdings, claims()).changed is False


def test_recorded_ports_are_kept() -> None:
    """What KubeLB recorded stays, also against a lower name's first candidate."""
    port = next(candidates(TENANT, key("a")))
    outcome = run(Holdings(), claims(key("a"), web=port))
    assert outcome.holdings.held[key("web")] == port
    assert outcome.holdings.held[key("a")] != port


def test_of_two_that_record_a_port_the_lower_name_keeps_it() -> None:
    """The other gets a new one, and it is said which it had."""
    outcome = run(Holdings(), claims(b=20001, a=20001))
    assert outcome.holdings.held[key("a")] == 20001
    assert outcome.holdings.held[key("b")] != 20001
    assert outcome.moved == {key("b"): 20001}


@pytest.mark.parametrize("port", [443, 9999, 19000, 19999, 65535, 70000])
def test_a_recorded_port_outside_the_range_is_not_kept(port: int) -> None:
    """KubeLB gives no such port on purpose, and Envoy's own would not work."""
    outcome = run(Holdings(), claims(web=port))
    assert POOL.has(outcome.holdings.held[key("web")])
    assert outcome.moved == {key("web"): port}


def test_the_ledger_knows_better_than_a_status() -> None:
    """What is held stays, whatever a status says; nobody new gets what that says as long as it stands there."""
    port = next(candidates(TENANT, key("new")))
    outcome = run(held(web=20001), claims(key("new"), web=port))
    assert outcome.holdings.held[key("web")] == 20001
    assert outcome.holdings.held[key("new")] != port


def test_all_ports_are_given_before_one_is_refused() -> None:
    """As many keys as there are ports get one; the next is refused, with no time at which that would change."""
    keys = [key(f"web-{number}") for number in range(4)]
    outcome = run(Holdings(), claims(*keys), pool=TINY)
    assert sorted(outcome.holdings.held.values()) == [10000, 10003, 10004]
    assert outcome.refused == {keys[3]: None}
    assert run(outcome.holdings, claims(*keys), pool=TINY).changed is False
    assert not run(outcome.holdings, claims(key("dns", "UDP")), pool=TINY).refused


def test_a_refusal_says_when_a_port_has_rested() -> None:
    """Ports that rest are not given early, not even when there are no others."""
    keys = [key(f"web-{number}") for number in range(3)]
    freed = run(run(Holdings(), claims(*keys), pool=TINY).holdings, claims(*keys[:2]), pool=TINY)
    wanted = claims(*keys[:2], key("new"))
    refused = run(freed.holdings, wanted, now=NOW + 1, pool=TINY)
    assert refused.refused == {key("new"): NOW + REST}
    assert not refused.changed
    assert not run(freed.holdings, wanted, now=NOW + REST, pool=TINY).refused


def test_what_cannot_be_read_holds_on() -> None:
    """A LoadBalancer that exists keeps its ports, though nobody can tell which of them it wants."""
    outcome = run(held(odd=20001, gone=20002), Claims({}, unread={"odd"}))
    assert outcome.holdings.held == {key("odd"): 20001}
    assert [*outcome.holdings.resting] == [("TCP", 20002)]


def test_closed_gives_nothing_and_frees() -> None:
    """Nobody gets a port who has none, recorded or not, and what is gone is freed."""
    outcome = assign(
        TENANT, held(gone=20001, stays=20002), claims(key("stays"), new=20003), now=NOW, closed=True
    )
    assert outcome.holdings.held == {key("stays"): 20002}
    assert outcome.refused == {key("new"): None}
    assert [*outcome.holdings.resting] == [("TCP", 20001)]
