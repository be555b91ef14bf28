"""Asks a running Envoy through its admin interface: counters, configuration, hosts, listeners.

Answers are typed as far as the demo and the tests look into them; configuration stays the JSON that Envoy gives. This module starts
nothing, and does not know where Envoy's configuration comes from.
"""

import asyncio
import http.client
import io
import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from xds.app.demo.waiting import poll

_ANSWER_WITHIN = 10.0
"""Seconds that Envoy's main thread may take over one answer before it counts as gone."""

Json = Mapping[str, Any]


class AdminError(ConnectionError):
    """Envoy's admin interface did not answer, or refused the request."""


@dataclass(frozen=True, slots=True)
class Host:
    """An endpoint as the cluster manager sees it: `address` is `ip:port`, `failures` the names of the health flags that are set."""

    address: str
    failures: frozenset[str]

    @property
    def healthy(self) -> bool:
        """Whether nothing speaks against sending it traffic."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Envoy's own state: LIVE, PRE_INITIALIZING, INITIALIZING or DRAINING; its version, such as `1.40.0`; its node."""

    state: str
    version: str
    node_id: str
    node_cluster: str


@dataclass(frozen=True, slots=True)
class ConfigDump:
    """The configuration that Envoy works with, by resource name, static and dynamic together.

    A cluster or listener that still warms is in `warming_…` (and also in the other when it replaces one). `endpoints` are the assignments
    that EDS brought; `refused` the error text of each resource whose last update was rejected.
    """

    clusters: Mapping[str, Json]
    warming_clusters: Mapping[str, Json]
    listeners: Mapping[str, Json]
    warming_listeners: Mapping[str, Json]
    endpoints: Mapping[str, Json]
    refused: Mapping[str, str]


class Admin:
    """The admin interface at `host`:`port`. Every method raises `AdminError` when Envoy does not answer."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    @property
    def address(self) -> str:
        """`host:port`, for a browser or curl."""
        return f"{self.host}:{self.port}"

    async def get(self, path: str, **query: str) -> bytes:
        """Return the body of `GET path?query`."""
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                raw = await self._exchange(target)
        except (OSError, TimeoutError) as error:
            raise AdminError(f"Envoy's admin at {self.address} does not answer {path}: {error!r}") from error
        response = http.client.HTTPResponse(cast("socket.socket", _Received(raw)), method="GET")
        try:
            response.begin()
            body = response.read()
        except http.client.HTTPException as error:
            raise AdminError(
                f"Envoy's admin at {self.address} broke off its answer to {path}: {error!r}"
            ) from error
        if response.status != http.HTTPStatus.OK:
            raise AdminError(
                f"Envoy's admin at {self.address} answers {path} with {response.status}: {body.decode()}"
            )
        return body

    async def answers(self) -> bool:
        """Whether Envoy answers at all."""
        return await self._succeeds("/server_info")

    async def is_ready(self) -> bool:
        """Whether Envoy is live: it answers, and has its first configuration."""
        return await self._succeeds("/ready")

    async def server_info(self) -> ServerInfo:
        """Return Envoy's state, version and node."""
        info = json.loads(await self.get("/server_info"))
        node = info.get("node", {})
        return ServerInfo(
            info["state"], info["version"].split("/")[1], node.get("id", ""), node.get("cluster", "")
        )

    async def stats(self, pattern: str = "") -> dict[str, int]:
        """Return the counters and gauges whose name the regular expression `pattern` finds (RE2's syntax), by name."""
        stats = json.loads(await self.get("/stats", format="json", filter=pattern))["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "value" in stat}

    async def counter(self, name: str) -> int:
        """Return one counter or gauge; 0 when Envoy has none of that name (one that never counted may not exist)."""
        return (await self.stats(f"^{re.escape(name)}$")).get(name, 0)

    async def wait_for_counter(self, name: str, holds: Callable[[int], bool], *, within: float = 5.0) -> int:
        """Wait until the counter's value holds, and return it. Raises `NotSeenError` with the last value after `within` seconds."""
        return await poll(lambda: self.counter(name), holds, within=within, what=f"Envoy's {name}")

    async def hosts(self) -> dict[str, list[Host]]:
        """Return the endpoints of each cluster, by the cluster's name."""
        statuses = json.loads(await self.get("/clusters", format="json")).get("cluster_statuses", ())
        return {
            status["name"]: [_host(host) for host in status.get("host_statuses", ())] for status in statuses
        }

    async def listeners(self) -> dict[str, str]:
        """Return the address (`ip:port`) of each listener, by the listener's name."""
        statuses = json.loads(await self.get("/listeners", format="json")).get("listener_statuses", ())
        return {status["name"]: _address(status["local_address"]) for status in statuses}

    async def config_dump(self) -> ConfigDump:
        """Return the whole configuration, endpoints included."""
        return parse_config_dump(json.loads(await self.get("/config_dump", include_eds="")))

    async def _succeeds(self, path: str) -> bool:
        try:
            await self.get(path)
        except AdminError:
            return False
        return True

    async def _exchange(self, target: str) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()


def parse_config_dump(document: Json) -> ConfigDump:
    """Sort the sections of a `/config_dump?include_eds` by what they hold."""
    sections: dict[str, Json] = {
        section["@type"].rpartition(".")[2]: section for section in document["configs"]
    }
    clusters = sections.get("ClustersConfigDump", {})
    listeners = sections.get("ListenersConfigDump", {})
    endpoints = sections.get("EndpointsConfigDump", {})
    dynamic = listeners.get("dynamic_listeners", ())
    active = [listener["active_state"] for listener in dynamic if "active_state" in listener]
    warming = [listener["warming_state"] for listener in dynamic if "warming_state" in listener]
    every_cluster = [
        *_of(clusters, "dynamic_active_clusters"),
        *_of(clusters, "dynamic_warming_clusters"),
    ]
    return ConfigDump(
        clusters=_named(
            [*_of(clusters, "static_clusters"), *_of(clusters, "dynamic_active_clusters")], "cluster"
        ),
        warming_clusters=_named(_of(clusters, "dynamic_warming_clusters"), "cluster"),
        listeners=_named([*_of(listeners, "static_listeners"), *active], "listener"),
        warming_listeners=_named(warming, "listener"),
        endpoints=_named(_of(endpoints, "dynamic_endpoint_configs"), "endpoint_config", "cluster_name"),
        refused={
            **{entry["cluster"]["name"]: _reason(entry) for entry in every_cluster if "error_state" in entry},
            **{entry["name"]: _reason(entry) for entry in dynamic if "error_state" in entry},
        },
    )


class _Received:
    """A whole answer in the guise of the socket from which the standard library parses one."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _of(section: Json, key: str) -> list[Json]:
    return list(section.get(key, ()))


def _named(entries: list[Json], inner: str, name: str = "name") -> dict[str, Json]:
    """Index the `inner` object of each entry by its name, without the type that `Any` adds."""
    objects = ({key: value for key, value in entry[inner].items() if key != "@type"} for entry in entries)
    return {each[name]: each for each in objects if name in each}


def _reason(entry: Json) -> str:
    return str(entry["error_state"].get("details", ""))


def _host(status: Json) -> Host:
    flags = status.get("health_status", {})
    failures = {flag for flag, value in flags.items() if value is True}
    if flags.get("eds_health_status", "HEALTHY") not in ("HEALTHY", "UNKNOWN"):
        failures.add(f"eds_{flags['eds_health_status'].lower()}")
    return Host(_address(status["address"]), frozenset(failures))


def _address(address: Json) -> str:
    inner = address["socket_address"]
    return f"{inner['address']}:{inner['port_value']}"
