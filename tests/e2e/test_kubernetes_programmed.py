"""The condition Programmed on a real API server: what every Envoy of the tenant made of it, and nothing that nobody has said.

Beside the real Envoy there is a scripted one, which refuses and is silent when it is told to.
"""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.e2e.world import World, loadbalancer, reached, world
from tests.e2e.written import ENVOYS, Written, bootstrap, condition_of
from tests.support.kube_client import Object
from tests.support.scripted_envoy import scripted_envoy
from tests.support.workbench import running_envoy
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.snapshot.types import CLUSTER, LISTENER

FreePort = Callable[..., int]
PATIENCE = 3.0
"""Seconds: the setting, for which these tests wait; far more than an Envoy takes to answer."""


def programmed(lb: Object) -> Object:
    """Return the condition."""
    return condition_of(lb, "Programmed")


def is_true_of_newest(lb: Object) -> bool:
    """Whether it is True for the generation that there is."""
    said = programmed(lb)
    return said.get("status") == "True" and said["observedGeneration"] == lb["metadata"]["generation"]


def is_of(generation: int) -> Callable[[Object], bool]:
    """Return whether it speaks of a generation."""
    return lambda lb: bool(programmed(lb)["observedGeneration"] == generation)


@pytest.fixture
def xds_port(free_port: FreePort) -> int:
    """Return the control plane's port."""
    return free_port()


@pytest.fixture
async def writing(
    tmp_path: Path,
    cluster: Written,
    xds_port: int,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[World]:
    """Yield a control plane that has little patience, and an Envoy connected to it."""
    async with world(tmp_path, "delta", xds_port, cluster, patience=PATIENCE) as built:
        yield built


async def test_true_when_every_stream_has_acked(cluster: Written, writing: World, xds_port: int) -> None:
    """Of two Envoys of one node.id both have to ACK: True then, Unknown as long as one is silent for longer than patience.

    What one of them refuses is False with its words, of those LoadBalancers that it names and no other; an Envoy that is gone
    counts no more.
    """
    old, new, newest = (Authority(name) for name in ("old", "new", "newest"))
    ca = old.pem
    async with Backend("web", identity=old.issue("web")) as backend:
        names = {name: writing.resource_name(name, backend.port) for name in ("fine", "fussy")}
        await writing.put_ca("backend-ca", ca)
        for name in names:
            await writing.put(name, loadbalancer(name, 443, backend.port, policy="Verify", ca="backend-ca"))
        for name in names:
            await cluster.says(name, "Programmed", "True", reason="Programmed")

        async with scripted_envoy(xds_port, cluster.tenant, node_id="envoy-under-test") as other:
            await other.took(LISTENER, names.values())

            # One is silent: the other's ACK is not enough.
            other.answering.clear()
            mark, since, heard = len(cluster.said), time.monotonic(), len(other.responses)
            await writing.put(
                "fine",
                loadbalancer(
                    "fine",
                    443,
                    backend.port,
                    policy="Verify",
                    ca="backend-ca",
                    persistence={"type": "SourceIP"},
                ),
            )
            await writing.updates.acked(CLUSTER, names["fine"], since=since)
            await other.sent(CLUSTER, [names["fine"]], since=heard)
            said = await cluster.says("fine", "Programmed", "Unknown", reason="NoAnswer", since=mark)
            assert said["observedGeneration"] == 2
            assert time.monotonic() - since >= PATIENCE
            assert f"not every connected Envoy of {cluster.tenant}" in said["message"]
            assert not [lb for lb in cluster.said[mark:] if lb["metadata"]["name"] == "fussy"]
            other.answering.set()
            await cluster.says("fine", "Programmed", "True", since=mark)
            assert [is_true_of_newest(lb) for lb in cluster.said[mark:]].count(True) == 1

            # One refuses one of two that change together.
            mark = len(cluster.said)
            other.refuses[names["fussy"]] = "I would rather not"
            ca += new.pem
            await writing.put_ca("backend-ca", ca)
            said = await cluster.says("fussy", "Programmed", "False", reason="Rejected", since=mark)
            assert said["message"] == f"Error adding/updating cluster(s) {names['fussy']}: I would rather not"
            # It says something else of what comes then.
            mark = len(cluster.said)
            other.refuses[names["fussy"]] = "nor this"
            ca += newest.pem
            await writing.put_ca("backend-ca", ca)
            lb = await cluster.stands(
                "fussy", lambda lb: "nor this" in programmed(lb)["message"], what="other words", since=mark
            )
            assert (programmed(lb)["status"], programmed(lb)["lastTransitionTime"]) == (
                "False",
                said["lastTransitionTime"],
            )
            mark = len(cluster.said)
            other.refuses.clear()
            await writing.put_ca("backend-ca", old.pem)
            await cluster.says("fussy", "Programmed", "True", since=mark)
            assert {
                programmed(lb)["status"] for lb in cluster.said[mark:] if lb["metadata"]["name"] == "fine"
            } <= {"True"}

            # It is refused when it goes.
            other.refuses[names["fussy"]] = "goodbye"
            await writing.put_ca("backend-ca", old.pem + new.pem)
            await cluster.says("fussy", "Programmed", "False", since=mark)
            mark = len(cluster.said)
        await cluster.says("fussy", "Programmed", "True", since=mark)
        told = [event for event in await cluster.events("fussy") if event["reason"] == "Rejected"]
        assert len(told) == 3
        assert await cluster.events("fine") == []


async def test_never_true_while_an_envoy_stands_still(cluster: Written, writing: World) -> None:
    """An Envoy stopped with SIGSTOP has not ACKed: what changes then is Unknown after patience, and True once it goes on."""
    ca, new = Authority("ca"), Authority("new")
    async with Backend("web", identity=ca.issue("web")) as backend, Backend("plain") as plain:
        await writing.put_ca("backend-ca", ca.pem)
        await writing.put("web", loadbalancer("web", 443, backend.port, policy="Verify", ca="backend-ca"))
        await writing.put("still", loadbalancer("still", 443, plain.port))
        before = await cluster.says("web", "Programmed", "True")
        untouched = await cluster.says("still", "Programmed", "True")

        # A new generation.
        writing.envoy.pause()
        mark, since = len(cluster.said), time.monotonic()
        await writing.put("web", loadbalancer("web", 443, plain.port))
        said = await cluster.says("web", "Programmed", "Unknown", reason="NoAnswer", since=mark)
        assert time.monotonic() - since >= PATIENCE
        assert (before["observedGeneration"], said["observedGeneration"]) == (1, 2)
        # And another one meanwhile, and a third.
        for generation in (3, 4):
            await writing.put(
                "web", loadbalancer("web", 440 + generation, backend.port, policy="Verify", ca="backend-ca")
            )
            await cluster.stands("web", is_of(generation), what="it", since=mark)
        assert not [lb for lb in cluster.said[mark:] if is_true_of_newest(lb)]
        mark = len(cluster.said)
        writing.envoy.resume()
        await cluster.says("web", "Programmed", "True", since=mark)
        assert {
            programmed(lb)["observedGeneration"] for lb in cluster.said[mark:] if is_true_of_newest(lb)
        } == {4}
        await reached(await cluster.recorded("web"), host=ENVOYS)

        # The same generation with another CA.
        writing.envoy.pause()
        mark = len(cluster.said)
        await writing.put_ca("backend-ca", new.pem)
        await cluster.says("web", "Programmed", "Unknown", reason="NoAnswer", since=mark)
        backend.present(new.issue("web"))
        mark = len(cluster.said)
        writing.envoy.resume()
        await cluster.says("web", "Programmed", "True", since=mark)
        await reached(await cluster.recorded("web"), host=ENVOYS)
        assert programmed(await cluster.get("still")) == untouched


async def test_unknown_without_an_envoy(
    tmp_path: Path,
    cluster: Written,
    xds_port: int,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """Without an Envoy it is Unknown after patience, and not before; with one it is True, and after that one Unknown again."""
    played = World(cluster, xds_port, patience=PATIENCE)
    await played.start_control_plane()
    try:
        async with Backend("web") as backend:
            since = await played.put("web", loadbalancer("web", 443, backend.port))
            for condition in ("Accepted", "ResolvedRefs"):
                await cluster.says("web", condition, "True")
            said = await cluster.says("web", "Programmed", "Unknown", reason="NoEnvoyConnected")
            assert time.monotonic() - since >= PATIENCE
            assert said["message"] == f"no Envoy of {cluster.tenant} is connected"
            for number in range(2):
                mark, directory = len(cluster.said), tmp_path / f"envoy-{number}"
                directory.mkdir()
                async with running_envoy(bootstrap(cluster.tenant, xds_port), directory):
                    await cluster.says("web", "Programmed", "True", since=mark)
                    await reached(await cluster.recorded("web"), host=ENVOYS)
                    mark, since = len(cluster.said), time.monotonic()
                await cluster.says("web", "Programmed", "Unknown", reason="NoEnvoyConnected", since=mark)
                assert time.monotonic() - since >= PATIENCE
    finally:
        await played.stop_control_plane()


async def test_envoys_of_another_replica(cluster: Written, writing: World, free_port: FreePort) -> None:
    """What an Envoy makes of it counts on whichever replica it is connected: that one says so, and the leader writes it."""
    other_port = free_port()
    other = World(cluster, other_port, patience=PATIENCE)
    lease = {"metadata": {"name": "kubelb-xds", "namespace": cluster.own}, "kind": "Lease"}
    lease["apiVersion"] = "coordination.k8s.io/v1"
    await cluster.found(lease, bool, what="a leader")
    await other.start_control_plane()
    try:
        async with Backend("web") as backend:
            plain = loadbalancer("web", 443, backend.port)
            sticky = loadbalancer("web", 443, backend.port, persistence={"type": "SourceIP"})
            await writing.put("web", plain)
            await writing.put("still", loadbalancer("still", 443, backend.port))
            await cluster.says("web", "Programmed", "True")
            untouched = await cluster.says("still", "Programmed", "True")
            name = writing.resource_name("web", backend.port)
            async with scripted_envoy(other_port, cluster.tenant) as scripted:
                await scripted.took(LISTENER, [name])

                # It refuses.
                mark = len(cluster.said)
                scripted.refuses[name] = "not here"
                await writing.put("web", sticky)
                said = await cluster.says("web", "Programmed", "False", reason="Rejected", since=mark)
                assert said["message"].endswith(f"{name}: not here")
                mark = len(cluster.said)
                scripted.refuses.clear()
                await writing.put("web", plain)
                await cluster.says("web", "Programmed", "True", since=mark)

                # It is silent, and the leader's own Envoy is not.
                scripted.answering.clear()
                mark, heard = len(cluster.said), len(scripted.responses)
                await writing.put("web", sticky)
                await scripted.sent(CLUSTER, [name], since=heard)
                await cluster.says("web", "Programmed", "Unknown", reason="NoAnswer", since=mark)
                assert not [lb for lb in cluster.said[mark:] if is_true_of_newest(lb)]
                scripted.answering.set()
                await cluster.says("web", "Programmed", "True", since=mark)

                # It refuses, and goes.
                mark = len(cluster.said)
                scripted.refuses[name] = "nor this"
                await writing.put("web", plain)
                await cluster.says("web", "Programmed", "False", reason="Rejected", since=mark)
                mark = len(cluster.said)
            await cluster.says("web", "Programmed", "True", since=mark)
            assert programmed(await cluster.get("still")) == untouched
    finally:
        await other.stop_control_plane()
