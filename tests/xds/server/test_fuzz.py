"""Twenty thousand requests that are almost right: none ends anything but its own stream, and none is our fault.

What is sent are real requests of both variants with bytes or fields changed, over real streams. How each ends is read from the
status that its client gets, and how many were taken from an observer: what comes behind the request that ends a stream is
not looked at, and does not count.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

import grpc
import pytest
import structlog
from google.protobuf.message import DecodeError

from tests.support.complaints import complaints
from tests.support.examples import examples
from tests.support.resources import cluster, endpoints, listener
from tests.support.xds_client import ADS, BOUND
from xds.messages import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)
from xds.protocol import Outcome
from xds.server import End, Observer, StreamInfo, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

REQUESTS: Final = examples(20_000)
A_STREAM: Final = 20
"""Requests that are sent on one stream, whether it takes them or not."""
STREAMS: Final = 20
"""Streams at a time, all on one connection."""
WITHIN: Final = 120
"""Seconds for all of it: about ten on an idle machine."""
SEED: Final = 20261123
METHODS: Final = (
    (f"/{ADS}/{{}}AggregatedResources", ""),
    ("/envoy.service.cluster.v3.ClusterDiscoveryService/{}Clusters", CLUSTER),
    ("/envoy.service.endpoint.v3.EndpointDiscoveryService/{}Endpoints", ENDPOINT),
)
TYPES: Final = (CLUSTER, ENDPOINT, LISTENER, "type.googleapis.com/example.Unknown")
NAMES: Final = ("a", "b", "*", "", "a" * 300, "\N{SNOWMAN}", "xdstp://authority/type/name?x=y")
NONCES: Final = ("", "1", "2", "3", "-1", "99999999999999999999", "nonce")

CLIENT_WROTE_TOO_LATE: Final = "Internal error from Core"
"""What grpc.aio's client makes of a status that comes while it writes, whatever that is; the server's side is looked at too."""

Request = Any
T = TypeVar("T")


class Requests:
    """Makes requests, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 — reproducible, not secret

    def real(self, *, delta: bool, only_type: str, first: bool) -> Request:
        """Return a request as a client could send it."""
        choose = self._random.choice
        fields: dict[str, Any] = {"type_url": only_type or choose(TYPES)}
        if first:
            fields["node"] = {"id": choose(("x", "y")), "cluster": choose(("tenant-a", "tenant-b"))}
        else:
            fields["response_nonce"] = choose(NONCES)
            if self._random.random() < 0.3:
                fields["error_detail"] = {
                    "code": 13,
                    "message": f"Error adding/updating cluster(s) {choose(NAMES)}: no",
                }
        if delta:
            fields["resource_names_subscribe"] = self._names()
            fields["resource_names_unsubscribe"] = self._names()
            fields["initial_resource_versions"] = dict.fromkeys(self._names(), choose(NONCES))
            return DeltaDiscoveryRequest(**fields)
        return DiscoveryRequest(resource_names=self._names(), version_info=choose(NONCES), **fields)

    def mutated(self, request: Request) -> bytes:
        """Return a request's bytes with something wrong with them: most of them, for Envoy's parser as well, still a message."""
        data = request.SerializeToString()
        how = self._random.choices((self._text, self._bits, self._cut, self._doubled), (12, 2, 1, 1))[0]
        return how(bytearray(data))

    def bytes_of(self, *, delta: bool, only_type: str, first: bool) -> bytes:
        """Return a request with something wrong; a stream's first one is right as a rule, so that others are looked at."""
        request = self.real(delta=delta, only_type=only_type, first=first)
        right = first and self._random.random() < 0.9
        return request.SerializeToString() if right else self.mutated(request)

    def choose(self, among: Sequence[T]) -> T:
        """Choose one."""
        return self._random.choice(among)

    def _names(self) -> list[str]:
        return self._random.choices(NAMES, k=self._random.randrange(4))

    def _text(self, data: bytearray) -> bytes:
        """Change characters and small numbers, which leaves the frame whole more often than not."""
        for _ in range(self._random.randint(1, 3)):
            places = [place for place, byte in enumerate(data) if 0x20 < byte < 0x7F]
            if places:
                data[self._random.choice(places)] = self._random.choice(b"*a1.-/ \x00\x7f")
        return bytes(data)

    def _bits(self, data: bytearray) -> bytes:
        for _ in range(self._random.randint(1, 8)):
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(data)

    def _cut(self, data: bytearray) -> bytes:
        start, end = sorted(self._random.randrange(len(data) + 1) for _ in range(2))
        return bytes(data[:start] + data[end:])

    def _doubled(self, data: bytearray) -> bytes:
        start, end = sorted(self._random.randrange(len(data) + 1) for _ in range(2))
        return bytes(data[:end] + data[start:])


class Tally(Observer):
    """Counts what the server took, and how streams ended."""

    def __init__(self) -> None:
        self.taken = 0
        self.ends: Counter[str] = Counter()

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:  # noqa: ARG002
        """Count a request that was taken."""
        self.taken += 1

    def closed(self, stream: StreamInfo, end: End) -> None:  # noqa: ARG002
        """Count an end; the request that led to it was taken as well."""
        self.taken += end.status == "INVALID_ARGUMENT"
        self.ends[end.status] += 1


@pytest.fixture(autouse=True)
def _no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with structlog.testing.capture_logs() as lines:
        yield
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert complaints(caplog) == []


def _ends(message: bytes, only_type: str, *, delta: bool) -> bool:
    """Whether a request ends its stream, as far as it can be told from the request alone."""
    try:
        request = (DeltaDiscoveryRequest if delta else DiscoveryRequest).FromString(message)
    except DecodeError:
        return True
    return bool(request.type_url != only_type if only_type else not request.type_url)


async def _attack(channel: Any, requests: Requests) -> str:
    """Send many mutated requests on a stream, and return the reason with which it ends."""
    delta, (template, only_type) = requests.choose((False, True)), requests.choose(METHODS)
    call = channel.stream_stream(template.format("Delta" if delta else "Stream"))()
    messages = [
        requests.bytes_of(delta=delta, only_type=only_type, first=not number) for number in range(A_STREAM)
    ]
    # What ends the stream comes last, so that it hides no other; some streams go on to their client's own end.
    messages.sort(key=lambda message: _ends(message, only_type, delta=delta))
    if requests.choose((True, False, False)):
        messages = [message for message in messages if not _ends(message, only_type, delta=delta)]
    try:
        for message in messages:
            await call.write(message)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # the stream has ended already
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    code, details = await call.code(), str(await call.details())
    if details == CLIENT_WROTE_TOO_LATE:
        return details
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT), f"{code}: {details}"
    assert bool(details) is (code is grpc.StatusCode.INVALID_ARGUMENT)
    return details


class Good:
    """A client that does everything right, beside the others or on their very connection."""

    def __init__(self, channel: Any, *, delta: bool) -> None:
        self._class, self._response = (
            (DeltaDiscoveryRequest, DeltaDiscoveryResponse)
            if delta
            else (DiscoveryRequest, DiscoveryResponse)
        )
        self._call = channel.stream_stream(f"/{ADS}/{'Delta' if delta else 'Stream'}AggregatedResources")()
        self._node: dict[str, Any] = {"node": {"id": "good", "cluster": "tenant-a"}}
        self._nonce = ""

    async def hears(self, version: str) -> None:
        """Answer what is sent until the type's version is this one."""
        while True:
            request = self._class(type_url=CLUSTER, response_nonce=self._nonce, **self._node)
            self._node = {}
            await self._call.write(request.SerializeToString())
            response = self._response.FromString(await self._call.read())
            self._nonce = response.nonce
            if version in (
                getattr(response, "version_info", ""),
                getattr(response, "system_version_info", ""),
            ):
                return


async def test_mutated_requests(cache: SnapshotCache) -> None:
    """Each ends its own stream with INVALID_ARGUMENT and a reason, or nothing; good clients are served all the while."""
    requests, tally, reasons = Requests(SEED), Tally(), Counter[str]()
    for tenant in ("tenant-a", "tenant-b"):
        cache.update(tenant, [make(name) for make in (cluster, endpoints, listener) for name in ("a", "b")])
    server = XdsServer(cache, observer=tally)
    port = await server.start("127.0.0.1:0")
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        asyncio.timeout(WITHIN),
    ):
        good = [Good(channel, delta=delta) for delta in (False, True)]
        changes = 0
        while tally.taken < REQUESTS:
            reasons.update(await asyncio.gather(*(_attack(channel, requests) for _ in range(STREAMS))))
            changes += 1
            cache.update("tenant-a", [cluster("a", 1 + changes)])
            snapshot = cache.get("tenant-a")
            clusters = snapshot.get(CLUSTER) if snapshot else None
            assert clusters is not None
            for client in good:
                await asyncio.wait_for(client.hears(clusters.version), BOUND)
        assert set(tally.ends) == {"OK", "INVALID_ARGUMENT"}
        assert len(server._streams) == len(good)
    await server.stop()
    # The fuzzer looks behind the door: streams of both kinds, many requests on each, and many reasons to end one.
    assert min(tally.ends.values()) > REQUESTS / 100
    assert tally.taken > 5 * tally.ends.total()
    assert reasons.keys() > {"type_url is empty: an aggregated stream needs one in every request"}
    assert any("this stream carries" in reason for reason in reasons)
    assert any("bytes that are no DeltaDiscoveryRequest" in reason for reason in reasons)
    assert any("names no node" in reason for reason in reasons)
