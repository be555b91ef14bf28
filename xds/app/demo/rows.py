"""The demo's rows: what is done to each LoadBalancer of the examples, and what is to be seen of that.

One function for each kind of row, which yields what it sees while it plays. This module knows what backend TLS promises, and neither how
things are started nor how a row is shown.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple, TypeAlias

from xds.app.demo import evidence, parts
from xds.app.demo.client import Conversation, Traffic
from xds.app.demo.evidence import Caption, Evidence, Row, Seen, exchange
from xds.app.demo.stage import Site, Stage
from xds.snapshot.types import CLUSTER

TLS: Final = "TLSv1.3"
"""What the backends speak at best, and so what Envoy is to speak with them."""

NO_HEALTHY_HOST: Final = "UH"
"""Envoy's flag for it. Health checks go over TLS, too: with a wrong CA they take the host out before a client connects."""

UPSTREAM_FAILED: Final = "UF"
"""Envoy's flag for a connection to the backend that failed."""

Play: TypeAlias = Callable[[Stage, Site], AsyncIterator[Seen]]


class Scene(NamedTuple):
    """A row before it is played: the LoadBalancer's name, and for the reader what is expected."""

    loadbalancer: str
    expected: str
    play: Play


async def perform(scene: Scene, stage: Stage) -> Row:
    """Play a row. What is waited for in vain is evidence, too, and does not hold."""
    site = stage.sites[scene.loadbalancer]
    seen: list[Seen] = []
    try:
        async for each in scene.play(stage, site):
            seen.append(each)  # noqa: PERF401  # what was seen before a failure is shown as well
    except OSError as error:  # NotSeenError and AdminError are such
        seen.append(Evidence("missing", str(error), holds=False))
    return Row(scene.loadbalancer, site.example.asked, scene.expected, tuple(seen))


async def _in_the_clear(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    seen = await exchange(stage, site)
    yield evidence.received(seen)
    yield evidence.in_the_clear(site, seen)
    yield evidence.replied(seen)


async def _over_tls(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    seen = await exchange(stage, site)
    yield evidence.received(seen, tls=TLS)
    yield evidence.only_tls(site)
    yield evidence.replied(seen, tls=TLS)
    for counter in await evidence.counted(
        stage.envoy.admin, site.example, some=["ssl.handshake"], none=["ssl.fail_verify_error"]
    ):
        yield counter


async def _refused(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    seen = await exchange(stage, site)
    yield await evidence.handshakes_failed(site, "TLSV1_ALERT_UNKNOWN_CA")
    yield evidence.only_tls(site)
    yield evidence.cut(seen, NO_HEALTHY_HOST)
    for counter in await evidence.counted(
        stage.envoy.admin,
        site.example,
        some=["ssl.fail_verify_error", "health_check.failure"],
        none=["ssl.handshake"],
    ):
        yield counter


async def _without_secret(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    seen = await exchange(stage, site)
    yield evidence.untouched(site)
    yield evidence.cut(seen, NO_HEALTHY_HOST)
    for counter in await evidence.counted(stage.envoy.admin, site.example, none=["membership_total"]):
        yield counter

    yield Caption("the Secret appears:")
    async for each in _ca_changes(stage, site):
        yield each
    seen = await exchange(stage, site)
    yield evidence.received(seen, tls=TLS)
    yield evidence.only_tls(site)
    yield evidence.replied(seen, tls=TLS)


async def _without_tls(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    seen = await exchange(stage, site)
    yield evidence.not_received(site, seen)
    yield evidence.only_tls(site)
    yield evidence.cut(seen, NO_HEALTHY_HOST)
    for counter in await evidence.counted(
        stage.envoy.admin,
        site.example,
        some=["ssl.connection_error", "health_check.failure"],
        none=["ssl.handshake"],
    ):
        yield counter


async def _rotated(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    old = site.backend.presents
    async with Conversation(site.example.port) as conversation:
        await conversation.goes_on()
        seen = await exchange(stage, site)
        yield evidence.received(seen, tls=TLS, presented=old)

        yield Caption("the backend gets a certificate of the new CA:")
        site.backend.present(site.part.next_identity)
        seen = await exchange(stage, site)
        yield evidence.cut(seen, UPSTREAM_FAILED, reason="CERTIFICATE_VERIFY_FAILED")

        yield Caption("ca.crt becomes the new CA:")
        async for each in _ca_changes(stage, site):
            yield each
        seen = await exchange(stage, site)
        yield evidence.received(seen, tls=TLS, presented=site.backend.presents)
        yield evidence.only_tls(site)
        yield await evidence.goes_on(site, conversation, presented=old)


async def _ca_changes(stage: Stage, site: Site) -> AsyncIterator[Seen]:
    """Write the LoadBalancer's next CA while clients go on connecting, and time what follows."""
    change = stage.put_ca(site.example, site.part.next_ca)
    async with Traffic(site.example.port, per_second=100):
        answer = await stage.updates.acked(
            CLUSTER, site.example.resource, since=change, within=evidence.CHANGED_WITHIN
        )
        yield evidence.acked(answer, change)
        yield await evidence.first_served(site, change)


SCENES: Final = (
    Scene(parts.PLAIN, "reached in the clear", _in_the_clear),
    Scene(parts.INSECURE, "reached, though self-signed", _over_tls),
    Scene(parts.VERIFY, "reached: ca.crt has its CA", _over_tls),
    Scene(parts.INTERMEDIATE, "reached: ca.crt has the intermediate", _over_tls),
    Scene(parts.WRONG_CA, "refused: ca.crt has another CA", _refused),
    Scene(parts.WITHOUT_REF, "reached in the clear, as documented", _in_the_clear),
    Scene(parts.MISSING_SECRET, "refused, nothing is sent; then it heals by itself", _without_secret),
    Scene(parts.PLAIN_BACKEND, "reset: the backend speaks no TLS", _without_tls),
    Scene(parts.ROTATION, "new connections under the new CA, open ones stay", _rotated),
)
"""The rows in the order of the table; each can be played by itself, once a stage."""
