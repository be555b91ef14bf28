"""What is counted of the streams, and that neither clients nor tenants that are gone make the counts grow."""

from typing import Any, Literal

from tests.support.resources import cluster
from xds.admin.tally import UNKNOWN, Histogram, Tally, type_label
from xds.protocol import Outcome, Push, Response
from xds.server import StreamInfo
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

BOUNDS = (0.1, 1.0)


def response(type_url: str = CLUSTER) -> Response:
    """Return a response with one resource."""
    return Response(type_url, "1", "v", (cluster("a"),), ("a",), (), delta=True)


def push(tally: Tally, tenant: str, type_url: str = CLUSTER) -> None:
    """Let a stream of a tenant be sent something."""
    tally.pushed(StreamInfo(1, "peer", delta=True, tenant=tenant), response(type_url), 0.0)


def answer(tally: Tally, kind: Literal["ack", "nack"], seconds: float = 0.0, type_url: str = CLUSTER) -> None:
    """Let a stream of tenant-a answer."""
    outcome = Outcome(type_url, kind, Push(response(type_url), 0.0, {}, 0))
    tally.answered(StreamInfo(1, "peer", delta=True, tenant="tenant-a"), type_url, outcome, seconds)


def counts(tally: Tally) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return pushes, ACKs and NACKs by tenant and type."""
    return {(tenant, kind): (it.pushes, it.acks, it.nacks) for tenant, kind, it in tally.counts()}


def everybody(_: str) -> bool:
    """Every tenant has something."""
    return True


def test_pushes_acks_and_nacks_are_counted_by_tenant_and_type() -> None:
    """Each counts once, for its tenant and its type."""
    tally = Tally(everybody, BOUNDS)
    push(tally, "tenant-a")
    push(tally, "tenant-a")
    push(tally, "tenant-b", LISTENER)
    answer(tally, "ack")
    answer(tally, "nack")
    assert counts(tally) == {("tenant-a", "CDS"): (2, 1, 1), ("tenant-b", "LDS"): (1, 0, 0)}


def test_a_subscription_is_no_answer() -> None:
    """A request that answers no response counts for nothing."""
    tally = Tally(everybody, BOUNDS)
    tally.answered(
        StreamInfo(1, "peer", delta=True, tenant="tenant-a"), CLUSTER, Outcome(CLUSTER, "subscribe"), 0
    )
    assert counts(tally) == {}


def test_types_are_few() -> None:
    """The five well-known types have their short names, and all others one."""
    types = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, "type.googleapis.com/a.B", "", "c")
    assert [type_label(each) for each in types] == [
        "CDS",
        "EDS",
        "LDS",
        "RDS",
        "SDS",
        "other",
        "other",
        "other",
    ]


def test_unknown_tenants_are_one() -> None:
    """Whatever names clients make up, they share a count."""
    tally = Tally(lambda _: False, BOUNDS)
    for number in range(1000):
        push(tally, f"made-up-{number}")
    assert counts(tally) == {(UNKNOWN, "CDS"): (1000, 0, 0)}


def test_tenants_that_are_gone_are_forgotten() -> None:
    """One that has nothing any more has no counts, and begins at 0 when it comes back."""
    there = {"tenant-a", "tenant-b"}
    tally = Tally(there.__contains__, BOUNDS)
    push(tally, "tenant-a")
    push(tally, "tenant-b")
    there.remove("tenant-a")
    tally.forget()
    assert counts(tally) == {("tenant-b", "CDS"): (1, 0, 0)}
    there.add("tenant-a")
    push(tally, "tenant-a")
    assert counts(tally)["tenant-a", "CDS"] == (1, 0, 0)


def test_where_nobody_asks_the_gone_are_forgotten_all_the_same() -> None:
    """Of tenants that come and go for years a few hundred are remembered at most."""
    there: set[str] = set()
    tally = Tally(there.__contains__, BOUNDS)
    for number in range(2000):
        there.clear()
        there.add(f"tenant-{number}")
        push(tally, f"tenant-{number}")
    assert len(counts(tally)) <= 200


def test_acks_have_their_seconds_and_nacks_do_not() -> None:
    """How long an ACK took counts by type."""
    tally = Tally(everybody, BOUNDS)
    answer(tally, "ack", 0.05)
    answer(tally, "ack", 3.0)
    answer(tally, "nack", 0.5)
    answer(tally, "ack", 0.5, LISTENER)
    seen: Any = {kind: (it.buckets, it.total) for kind, it in tally.push_to_ack.items()}
    assert seen == {
        "CDS": ([("0.1", 1), ("1.0", 1), ("+Inf", 2)], 3.05),
        "LDS": ([("0.1", 0), ("1.0", 1), ("+Inf", 1)], 0.5),
    }


def test_a_bound_belongs_to_its_bucket() -> None:
    """Prometheus's `le` is: less than the bound, or equal."""
    histogram = Histogram(BOUNDS)
    for seconds in (0.1, 1.0, 1.1):
        histogram.observe(seconds)
    assert histogram.buckets == [("0.1", 1), ("1.0", 2), ("+Inf", 3)]
