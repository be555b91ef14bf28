"""What is kept of Envoy's answers, and how one is waited for."""

import time
from typing import Any

import pytest

from xds.app.demo.updates import Updates
from xds.app.demo.waiting import NotSeenError
from xds.messages import Cluster, ClusterLoadAssignment, DeltaDiscoveryRequest
from xds.protocol import StreamState
from xds.server import StreamInfo
from xds.snapshot import Resource, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT


class Client:
    """An Envoy that has asked for clusters and for the endpoints of `web`, and an observer that hears what it answers."""

    def __init__(self) -> None:
        self.updates = Updates()
        self._stream = StreamInfo(1, "ipv4:127.0.0.1:40000", delta=True, node="envoy-1", tenant="tenant-a")
        self._state = StreamState(delta=True)
        self._cache = SnapshotCache((CLUSTER, ENDPOINT))
        self._cache.watch("tenant-a", lambda _, changes: self._state.changed(changes))
        self._cache.update("tenant-a", (), ())
        snapshot = self._cache.get("tenant-a")
        assert snapshot is not None
        self._state.attach(snapshot)
        self._clock = 0.0
        self._ask(type_url=CLUSTER)
        self._ask(type_url=ENDPOINT, resource_names_subscribe=["web"])
        self.first_answers = self.answer()

    def change(self, *resources: Resource) -> None:
        """Put resources into the snapshot."""
        self._cache.update("tenant-a", resources, ())

    def answer(self, error: str | None = None) -> int:
        """Take what is due, and ACK it, or refuse it with this text; returns how many responses that were."""
        self._clock += 60  # no bound of the sequencer's is in the way
        responses = self._state.poll(self._clock).responses
        for response in responses:
            refusal = {} if error is None else {"error_detail": {"code": 3, "message": error}}
            self._ask(type_url=response.type_url, response_nonce=response.nonce, **refusal)
        return len(responses)

    def _ask(self, **fields: Any) -> None:
        request = DeltaDiscoveryRequest(**fields)
        self.updates.answered(self._stream, request.type_url, self._state.request(request), 0.0)


def _cluster(name: str, alt_stat_name: str = "") -> Resource:
    return Resource.of(name, Cluster(name=name, alt_stat_name=alt_stat_name))


async def test_an_ack_is_found_by_what_it_acknowledges() -> None:
    """The first ACK after a moment, of that type, that brought the resource is the one that is waited for."""
    client = Client()
    client.change(_cluster("web"))
    client.answer()
    since = time.monotonic()
    client.change(_cluster("other"))
    client.answer()
    client.change(Resource.of("web", ClusterLoadAssignment(cluster_name="web")))
    client.answer()
    client.change(_cluster("web", "web_2"))
    client.answer()
    answer = await client.updates.acked(CLUSTER, "web", since=since, within=1)
    assert answer is client.updates.answers[-1]
    assert answer.changed == {"web"}
    assert client.updates.refused == []


@pytest.mark.parametrize(("said", "kept"), [("bad PEM", "bad PEM"), ("", "for no given reason")])
async def test_a_nack_is_no_ack(said: str, kept: str) -> None:
    """A refused push is kept with Envoy's words, and waited past."""
    client = Client()
    client.change(_cluster("web"))
    client.answer(error=said)
    assert [answer.error for answer in client.updates.refused] == [kept]
    with pytest.raises(NotSeenError, match="Envoy's ACK of web"):
        await client.updates.acked(CLUSTER, "web", since=0, within=0)


def test_a_subscription_answers_nothing() -> None:
    """Of a client that asks for two types and is answered twice, two answers are kept."""
    client = Client()
    assert len(client.updates.answers) == client.first_answers == 2
