"""A real gRPC client of the discovery protocol that does only what a test tells it: no ACK goes out by itself."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc

from xds.messages import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
BOUND = 5.0
"""Seconds within which anything that is to come has come, on a machine that is busy."""


class XdsClient:
    """One stream. ``received`` bytes are parsed with the project's own classes."""

    def __init__(
        self,
        port: int,
        *,
        delta: bool,
        node: Mapping[str, Any] | None = None,
        method: str | None = None,
        window: int | None = None,
        channel: Any = None,
        credentials: grpc.ChannelCredentials | None = None,
        options: Iterable[tuple[str, Any]] = (),
    ) -> None:
        """Connect to a server on 127.0.0.1; ``window`` keeps the bytes that it may send ahead of a read from growing.

        ``channel`` is another client's, whose connection this one shares. With ``credentials`` it speaks TLS; ``options`` are
        further ones of gRPC's.
        """
        self.delta = delta
        self.node = {"id": "test-envoy", "cluster": "tenant-a"} if node is None else dict(node)
        self._method = method or f"/{ADS}/{'Delta' if delta else 'Stream'}AggregatedResources"
        # A connection of its own, as every Envoy has; channels to one address would share one.
        all_options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
            *options,
        ]
        if window is not None:
            all_options += [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", window)]
        self._port = port
        self._shares = channel is not None
        address = f"127.0.0.1:{port}"
        self._channel = channel or (
            grpc.aio.secure_channel(address, credentials, options=all_options)
            if credentials
            else grpc.aio.insecure_channel(address, options=all_options)
        )
        self._first = True
        self.call: Any = None

    async def __aenter__(self) -> Self:
        self.call = self._channel.stream_stream(self._method)()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call.cancel()
        if not self._shares:
            await self._channel.close()

    def beside(self, method: str) -> "XdsClient":
        """Return another stream of the same node on the same connection, which is to end first."""
        return XdsClient(self._port, delta=self.delta, node=self.node, method=method, channel=self._channel)

    async def send_bytes(self, message: bytes) -> None:
        """Send whatever a test wants to send."""
        await asyncio.wait_for(self.call.write(message), BOUND)

    async def send(self, **fields: Any) -> None:
        """Send a request of the stream's variant; the first one carries the node."""
        if self._first and self.node:
            fields.setdefault("node", self.node)
        self._first = False
        cls = DeltaDiscoveryRequest if self.delta else DiscoveryRequest
        await self.send_bytes(cls(**fields).SerializeToString())

    async def subscribe(
        self,
        type_url: str,
        names: Iterable[str] = (),
        *,
        have: Mapping[str, str] | None = None,
        version: str = "",
    ) -> None:
        """Send the first request of a type; ``have`` (delta) or ``version`` (state of the world) is what it holds."""
        if self.delta:
            await self.send(
                type_url=type_url,
                resource_names_subscribe=list(names),
                initial_resource_versions=dict(have or {}),
            )
        else:
            await self.send(type_url=type_url, resource_names=list(names), version_info=version)

    async def receive(self, *, within: float | None = BOUND) -> Any:
        """Return the next response, within so many seconds; None waits for as long as it takes. Raises `EOFError` at the end."""
        message = await asyncio.wait_for(self.call.read(), within)
        if message is grpc.aio.EOF:
            raise EOFError(f"{await self.call.code()}: {await self.call.details()}")
        return (DeltaDiscoveryResponse if self.delta else DiscoveryResponse).FromString(message)

    async def ack(self, response: Any, names: Iterable[str] = ()) -> None:
        """Accept a response; ``names`` are those of a state-of-the-world subscription that is not a wildcard."""
        if self.delta:
            await self.send(type_url=response.type_url, response_nonce=response.nonce)
        else:
            await self.send(
                type_url=response.type_url,
                response_nonce=response.nonce,
                version_info=response.version_info,
                resource_names=list(names),
            )

    async def nack(self, response: Any, text: str, names: Iterable[str] = ()) -> None:
        """Refuse a response."""
        fields: dict[str, Any] = {} if self.delta else {"resource_names": list(names)}
        await self.send(
            type_url=response.type_url,
            response_nonce=response.nonce,
            error_detail={"code": 13, "message": text},
            **fields,
        )

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the stream's end, past the responses that are still to be read, and return its status."""
        async with asyncio.timeout(BOUND):
            with contextlib.suppress(grpc.aio.AioRpcError):  # raised at the end, unless that is OK
                while not self.call.done() and await self.call.read() is not grpc.aio.EOF:
                    pass
            return await self.call.code(), await self.call.details()


def names_of(response: Any) -> list[str]:
    """Return the names of a delta response's resources."""
    return [resource.name for resource in response.resources]
