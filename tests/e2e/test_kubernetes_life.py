"""A LoadBalancer's life on a real API server, as its traffic through a real Envoy sees it."""

import time
from collections.abc import Callable

from tests.e2e.world import World, loadbalancer, nothing_passes, reached
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Conversation, Outcome, Traffic, ask
from xds.app.demo.recorder import Recorder
from xds.app.settings import ServeSettings
from xds.snapshot.types import CLUSTER, LISTENER

FreePort = Callable[..., int]
GARBAGE = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"


async def test_from_its_creation_to_its_end(on_kubernetes: World, free_port: FreePort) -> None:
    """It is served, its CA rotates without loss, a broken or deleted CA lets nothing pass until it heals, and then it is gone."""
    played, port = on_kubernetes, free_port()
    old, new = Authority("old"), Authority("new")
    async with (
        Backend("web", identity=old.issue("web")) as backend,
        Recorder("web", backend.port) as recorder,
    ):
        name = played.resource_name("web", recorder.port)
        # Created.
        await played.put_ca("backend-ca", old.pem)
        since = await played.put(
            "web", loadbalancer("web", port, recorder.port, policy="Verify", ca="backend-ca")
        )
        await played.served(name, since=since)
        assert (await ask(port)).outcome is Outcome.REPLY

        # Rotated: both CAs first, then the backend's certificate, then the new CA alone.
        async with Traffic(port, per_second=100) as traffic, Conversation(port) as conversation:
            await traffic.since(since, count=20)
            await played.in_force(name, since=await played.put_ca("backend-ca", old.pem + new.pem))
            await traffic.since(time.monotonic(), count=20)
            backend.present(new.issue("web"))
            await traffic.since(time.monotonic(), count=20)
            rotated = await played.in_force(name, since=await played.put_ca("backend-ca", new.pem))
            await traffic.since(rotated, count=20)
            assert await conversation.goes_on()
        assert traffic.lost == []
        # And the old one is good for nothing any more.
        backend.present(old.issue("web"))
        await nothing_passes(port)
        backend.present(new.issue("web"))

        # Broken: what Envoy could not load is not served, and fails closed.
        await played.in_force(name, since=await played.put_ca("backend-ca", GARBAGE))
        await nothing_passes(port)
        await played.in_force(name, since=await played.put_ca("backend-ca", new.pem))
        await reached(port)

        # Deleted: it is good for as long as it lingers, and then fails closed.
        deleted = await played.remove("backend-ca")
        closed = await played.in_force(name, since=deleted)
        assert closed - deleted >= ServeSettings().linger
        await nothing_passes(port)
        await played.in_force(name, since=await played.put_ca("backend-ca", new.pem))
        await reached(port)

        # Gone.
        since = await played.remove("web")
        await played.updates.acked_removal(LISTENER, name, since=since)
        await played.updates.acked_removal(CLUSTER, name, since=since)
        assert (await ask(port)).outcome is Outcome.REFUSED
        assert name not in await played.envoy.admin.hosts()
        assert recorder.in_the_clear == []
    assert played.updates.refused == []
    assert await played.rejected() == {}
