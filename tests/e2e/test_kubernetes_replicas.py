"""Two replicas as processes of the operating system: one leads and writes, both serve, and no Envoy notices which of them is gone."""

import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from kube.coordination.claim import LeaseTiming
from tests.e2e.sources import in_namespace
from tests.e2e.world import LOOPBACK, loadbalancer, reached
from tests.e2e.written import ENVOYS, Written, bootstrap, condition_of
from tests.support.command import Serving, serving
from tests.support.workbench import running_envoy
from xds.app.bootstrap import Api
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Conversation, Traffic
from xds.app.demo.envoy import Envoy
from xds.app.demo.manifests import secret

FreePort = Callable[..., int]
LEASE = LeaseTiming()
TAKEOVER = LEASE.duration + LEASE.retry
"""Seconds after which another replica writes: a lease that is not renewed, and the time between two looks at it."""
BUSY = 5.0
"""Seconds more, for a machine that is busy."""
EXPIRY = 60.0
"""Seconds within which a dead replica's report counts no more: 30 of silence, as this one's own reports tell it, once in 10."""
APIS: tuple[Api, ...] = ("sotw", "delta")
BESIDE = [f"beside-{number}" for number in range(10)]


@asynccontextmanager
async def replica(cluster: Written, name: str, port: int) -> AsyncIterator[Serving]:
    """Run a replica until the block ends; it has synced."""
    arguments = [
        *(
            "--kubernetes",
            "--kubeconfig",
            str(cluster.settings["kubeconfig"]),
            "--own-namespace",
            cluster.own,
        ),
        *("--replica", name, "--xds-address", f"{LOOPBACK}:{port}", "--listener-address", ENVOYS),
    ]
    async with serving(arguments) as process:
        await process.has_logged("synced")
        yield process


class Held(NamedTuple):
    """What an Envoy has, and how often it was sent anything: version and time of each resource, and its counters of updates.

    Of endpoints it tells neither.
    """

    resources: dict[tuple[str, str], tuple[str, str]]
    updates: dict[str, int]

    @classmethod
    async def of(cls, envoy: Envoy) -> "Held":
        """Ask an Envoy."""
        resources = {}
        for section in json.loads(await envoy.admin.get("/config_dump", include_eds=""))["configs"]:
            kind = section["@type"].rpartition(".")[2]
            for entry in section.get("dynamic_active_clusters", ()):
                resources[kind, entry["cluster"]["name"]] = entry["version_info"], entry["last_updated"]
            for entry in section.get("dynamic_listeners", ()):
                state = entry["active_state"]
                resources[kind, entry["name"]] = state["version_info"], state["last_updated"]
            for entry in section.get("dynamic_endpoint_configs", ()):
                name = entry["endpoint_config"]["cluster_name"]
                resources[kind, name] = entry.get("version_info", ""), entry.get("last_updated", "")
        return cls(resources, await envoy.admin.stats(r"\.update_success$"))

    def since(self, before: "Held") -> dict[str, int]:
        """Return how often Envoy was sent something since then, by what: clusters, listeners, and a cluster's endpoints."""
        more = {key: count - before.updates.get(key, 0) for key, count in self.updates.items()}
        return {key.removesuffix(".update_success"): count for key, count in more.items() if count}


async def create(cluster: Written, name: str, backend: Backend, *, ca: str | None = None) -> None:
    """Create a LoadBalancer."""
    manifest = loadbalancer(name, 443, backend.port, policy="Verify" if ca else None, ca=ca)
    await cluster.put(name, in_namespace(manifest, cluster.tenant))


class Scene(NamedTuple):
    """A leader, to which Envoys of both variants are connected, another replica, and traffic."""

    cluster: Written
    leader: Serving
    other: Serving
    envoys: Sequence[Envoy]
    plain: Backend
    traffic: Traffic
    talks: Sequence[Conversation]

    async def has_only_news(self, name: str, before: Sequence[Held]) -> None:
        """Assert that every Envoy was sent this LoadBalancer, nothing that it had when it connected anew, and refused nothing."""
        resource = f"{self.cluster.tenant}-{name}-ep-0-port-{self.plain.port}-TCP"
        for api, envoy, held in zip(APIS, self.envoys, before, strict=True):
            now = await Held.of(envoy)
            kept = {key: value for key, value in now.resources.items() if key[1] != resource}
            assert kept == held.resources
            assert len(now.resources) == len(held.resources) + 3
            if api == "delta":  # "nothing" is an answer to who asks for all clusters, or listeners
                asked, sent_again = 1, {}
            else:  # rule 19: nobody knows of which endpoints it has which version
                asked, sent_again = 0, {f"cluster.{name}": 1 for _, name in held.resources}
            types = dict.fromkeys(("cluster_manager.cds", "listener_manager.lds"), asked + 1)
            assert now.since(held) == {**types, **sent_again, f"cluster.{resource}": 1}
            pushed = [
                line["count"] for line in self.other.lines if line["event"] == "push" and line["node"] == api
            ]
            assert api != "delta" or sorted(pushed) == [0, 0, 1, 1, 1]
            faults = await envoy.admin.stats("update_rejected$|listener_create_failure$")
            assert not any(faults.values())

    async def lost_nothing(self) -> None:
        """Assert that every new connection was answered, and that those from the beginning go on."""
        await self.traffic.since(time.monotonic(), count=20)
        assert all([await talk.goes_on() for talk in self.talks])
        assert self.traffic.lost == []


@asynccontextmanager
async def scene(cluster: Written, directory: Path, free_port: FreePort) -> AsyncIterator[Scene]:
    """Play it, with a LoadBalancer "web" and ten beside it."""
    ca, ports = Authority("ca"), (free_port(), free_port())
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(Backend("web", identity=ca.issue("web")))
        plain = await stack.enter_async_context(Backend("plain"))
        leader = await stack.enter_async_context(replica(cluster, "one", ports[0]))
        await leader.has_logged("leads: this replica writes")
        await cluster.put("backend-ca", secret(cluster.tenant, "backend-ca", ca.pem))
        await create(cluster, "web", backend, ca="backend-ca")
        for name in BESIDE:
            await create(cluster, name, plain)
        envoys = []
        for api in APIS:
            directory.joinpath(api).mkdir()
            started = running_envoy(bootstrap(cluster.tenant, *ports, api=api, node_id=api), directory / api)
            envoys.append(await stack.enter_async_context(started))
        for name in ("web", *BESIDE):
            await cluster.says(name, "Programmed", "True")
        other = await stack.enter_async_context(replica(cluster, "two", ports[1]))
        await other.has_logged("another replica leads")
        port = await cluster.recorded("web")
        await reached(port, host=ENVOYS)
        traffic = await stack.enter_async_context(Traffic(port, host=ENVOYS, per_second=50))
        talks = [await stack.enter_async_context(Conversation(port, host=ENVOYS)) for _ in range(4)]
        await traffic.since(time.monotonic(), count=20)
        yield Scene(cluster, leader, other, envoys, plain, traffic, talks)


async def test_a_leader_that_is_killed(
    cluster: Written,
    tmp_path: Path,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """When the leader is killed under traffic the other one writes within the lease's time, and no connection is lost or reset.

    Its Envoys connect to the other one, are sent nothing that they have (but for endpoints in the state of the world, as the protocol
    has it), and then what is new. What the dead one said of its Envoys counts until it expires.
    """
    async with scene(cluster, tmp_path, free_port) as it:
        held = [await Held.of(envoy) for envoy in it.envoys]
        it.leader.send(signal.SIGKILL)
        mark, killed = len(cluster.said), time.monotonic()
        await create(cluster, "later", it.plain)
        await it.other.has_logged("stream opened", len(it.envoys))
        await it.traffic.since(time.monotonic(), count=20)

        port = await cluster.recorded("later", since=mark)
        assert time.monotonic() - killed < TAKEOVER + BUSY
        assert port == cluster.first_port("later")
        await reached(port, host=ENVOYS)
        await it.has_only_news("later", held)

        # Nobody knows what became of the dead one's Envoys, until its report expires.
        await cluster.says("later", "Programmed", "True", since=mark, within=EXPIRY)
        said = {condition_of(lb, "Programmed").get("status", "none yet") for lb in cluster.said[mark:]}
        assert said == {"none yet", "True"}
        await it.lost_nothing()


async def test_a_leader_that_ends(
    cluster: Written,
    tmp_path: Path,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """A leader that ends in good order is followed at once, what it said of its Envoys goes with it, and nothing is lost."""
    async with scene(cluster, tmp_path, free_port) as it:
        held = [await Held.of(envoy) for envoy in it.envoys]
        mark, ended = len(cluster.said), time.monotonic()
        it.leader.send(signal.SIGTERM)
        await create(cluster, "later", it.plain)
        await reached(await cluster.recorded("later", since=mark), host=ENVOYS)
        await it.other.has_logged("stream opened", len(it.envoys))
        await cluster.says("later", "Programmed", "True", since=mark)
        assert time.monotonic() - ended < LEASE.duration
        await it.has_only_news("later", held)
        await it.lost_nothing()
        assert await it.leader.ended() == (0, "")
