"""An Envoy as the control plane sees it, without a proxy behind: it takes what it is sent, unless it is told to refuse or to be silent.

It asks as Envoy does: for all clusters, for the endpoints of each, and for all listeners once it has the clusters.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tests.support.xds_client import XdsClient, names_of
from xds.app.demo.waiting import Journal
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


class ScriptedEnvoy:
    """One stream (ADS, delta). ``refuses`` has the names of clusters that it does not take, and why, in its own words.

    ``responses`` are those that came, ``answered`` those of them that it has answered, which it does as long as ``answering`` is set.
    """

    def __init__(self, client: XdsClient) -> None:
        self.refuses: dict[str, str] = {}
        self.responses: Journal[Any] = Journal("responses to a scripted Envoy")
        self.answered: Journal[Any] = Journal("a scripted Envoy's answers")
        self.answering = asyncio.Event()
        self.answering.set()
        self._client = client
        self._with_endpoints: set[str] = set()
        self._has_clusters = False

    async def sent(self, type_url: str, names: Iterable[str], *, since: int = 0) -> None:
        """Wait until all of these resources came in responses from this index on."""
        await _has(self.responses, type_url, names, since)

    async def took(self, type_url: str, names: Iterable[str]) -> None:
        """Wait until it has answered responses with all of these resources."""
        await _has(self.answered, type_url, names, 0)

    async def run(self) -> None:
        """Ask and answer until the stream ends."""
        await self._client.subscribe(CLUSTER)
        unanswered: asyncio.Queue[Any] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer_all(unanswered))
            with contextlib.suppress(EOFError, grpc.aio.AioRpcError):
                while True:
                    response = await self._client.receive(within=None)
                    self.responses.add(response)
                    unanswered.put_nowait(response)
            answering.cancel()

    async def _answer_all(self, unanswered: asyncio.Queue[Any]) -> None:
        while True:
            response = await unanswered.get()
            await self.answering.wait()
            await self._answer(response)
            self.answered.add(response)

    async def _answer(self, response: Any) -> None:
        names = names_of(response)
        refused = [name for name in names if response.type_url == CLUSTER and name in self.refuses]
        if refused:
            # Envoy's own form (cds_api_impl.cc).
            text = ", ".join(f"{name}: {self.refuses[name]}" for name in refused)
            await self._client.nack(response, f"Error adding/updating cluster(s) {text}")
        else:
            await self._client.ack(response)
        if response.type_url == CLUSTER:
            new = [name for name in names if name not in {*refused, *self._with_endpoints}]
            self._with_endpoints.update(new)
            if new:
                await self._client.subscribe(ENDPOINT, new)
            if not self._has_clusters:
                self._has_clusters = True
                await self._client.subscribe(LISTENER)


async def _has(journal: Journal[Any], type_url: str, names: Iterable[str], since: int) -> None:
    left = {*names}

    def all_came() -> bool:
        came = [names_of(each) for each in journal[since:] if each.type_url == type_url]
        return left <= {name for names in came for name in names}

    await journal.until(all_came, within=15, what=f"{sorted(left)}")


@asynccontextmanager
async def scripted_envoy(
    port: int,
    tenant: str,
    node_id: str = "envoy-scripted",
    *,
    credentials: grpc.ChannelCredentials | None = None,
) -> AsyncIterator[ScriptedEnvoy]:
    """Connect one to a server on this machine, over TLS where it has credentials, for as long as the block lasts."""
    node = {"id": node_id, "cluster": tenant}
    async with XdsClient(port, delta=True, node=node, credentials=credentials) as client:
        envoy = ScriptedEnvoy(client)
        running = asyncio.create_task(envoy.run())
        try:
            yield envoy
            if running.done():
                running.result()
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
