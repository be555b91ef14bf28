"""The steps: the reference's two modes, its Troubleshooting list line by line, and what else a tenant's user comes across.

One function for each step, which yields the commands with what they printed, and what was seen of the bytes. Each goes on where the one
before has ended. This module knows what the reference says, and neither how things are started nor how they are shown.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from tests.tutorial.cast import Cast
from tests.tutorial.played import EXTERNAL_IP
from tests.tutorial.shell import Typed
from tests.tutorial.stage import CONTROL_PLANE_LOG, HOME, SERVICE, Stage
from xds.app.demo import evidence
from xds.app.demo.client import Outcome, ask
from xds.app.demo.evidence import Caption, Evidence, Exchange
from xds.app.demo.recorder import Recording
from xds.app.demo.waiting import NotSeenError, poll

Seen: TypeAlias = Typed | Evidence | Caption
Play: TypeAlias = Callable[[Stage, Cast], AsyncIterator[Seen]]

TLS: Final = "TLSv1.3"
POLICY: Final = "kubelb.k8c.io/backend-tls-policy"
CA: Final = "kubelb.k8c.io/backend-tls-ca-secret"
LB: Final = f"kubectl -n {HOME} get lb"
CREATE: Final = f"kubectl -n {HOME} create secret generic my-backend-ca --from-file=ca.crt="
REPLACED: Final = "--dry-run=client -o yaml | kubectl replace -f -"
IN_FORCE: Final = '{"caSecretRef":{"name":"my-backend-ca"},"policy":"Verify"}'

NO_HEALTHY_HOST: Final = "UH"
UPSTREAM_FAILED: Final = "UF"


class Step(NamedTuple):
    """One step before it is played; `reference` is the line of the reference that it provokes, if it is one."""

    title: str
    play: Play
    reference: str = ""


def holds(seen: Iterable[Seen]) -> bool:
    """Return whether everything was as it should be."""
    return all(each.holds for each in seen if not isinstance(each, Caption))


# What the bytes tell


def _since(stage: Stage, seen: Exchange) -> list[Recording]:
    """Return what was recorded since an exchange began."""
    return stage.nodes.since(seen.attempt.started)


async def _over_tls(stage: Stage, *, presented: str, since: float | None = None) -> AsyncIterator[Seen]:
    """Yield what shows that a client's bytes come through over TLS; `since`: from then on Envoy sent nothing else."""
    seen = await stage.exchange_until(_arrived(TLS))
    yield evidence.received(seen, tls=TLS, presented=presented)
    yield evidence.all_tls(_since(stage, seen) if since is None else stage.nodes.since(since))
    yield evidence.replied(seen, tls=TLS)


async def _in_the_clear_to_tls(stage: Stage) -> AsyncIterator[Seen]:
    """Yield what shows that a client's bytes reach a backend that speaks TLS in the clear, which is of no use to it."""
    seen = await _readable(stage)
    yield evidence.readable(_since(stage, seen), seen)
    failed = [
        each for each in stage.backend.connections if each.opened >= seen.attempt.started and each.failure
    ]
    reason = failed[0].failure if failed else "no failure"
    yield Evidence(
        "backend",
        f"no TLS handshake: {reason}",
        holds=bool(failed) and not any(each.received for each in failed),
    )


async def _readable(stage: Stage) -> Exchange:
    """Send lines until one is readable on the wire; return the last one."""
    return await stage.exchange_until(
        lambda seen: any(each.to_backend.first == seen.line for each in _since(stage, seen))
    )


def _arrived(tls: str) -> Callable[[Exchange], bool]:
    """Return what tells whether the line of an exchange arrived over this version of TLS, or "" for none."""
    return lambda seen: seen.arrived is not None and seen.arrived.tls_version == tls


async def _refused(stage: Stage) -> AsyncIterator[Seen]:
    """Yield what shows that Envoy refuses clients and sends nothing at all."""
    await stage.exchange_until(lambda seen: seen.attempt.cut)
    seen = await stage.exchange()
    recorded = _since(stage, seen)
    yield Evidence(
        "wire",
        f"{len(recorded) or 'no'} connections, {recorded[0].to_backend if recorded else 'no bytes'}",
        holds=not recorded,
    )
    yield evidence.cut(seen, NO_HEALTHY_HOST)


# What is told, and where


async def _said(stage: Stage, text: str) -> AsyncIterator[Seen]:
    """Yield the three places where something is said: the log, the condition of the LoadBalancer, the Event of the tenant's Service."""
    quoted = f'"{text}"' if "'" in text else f"'{text}'"
    yield await stage.management.shows(f"grep {quoted} {CONTROL_PLANE_LOG} | tail -n 1", text)
    path = '{.items[0].status.conditions[?(@.status=="False")].message}'
    yield await stage.management.shows(f"{LB} -o jsonpath='{path}'", text)
    yield await stage.tenant.shows(f"kubectl describe service {SERVICE} | grep {quoted}", rf"Warning.*{text}")


async def _asks(stage: Stage, upstream_tls: str) -> Typed:
    return await stage.management.prints(f"{LB} -o jsonpath='{{.items[0].spec.upstreamTLS}}'", upstream_tls)


def _annotate(*changes: str) -> str:
    return " ".join(("kubectl annotate --overwrite service", SERVICE, *changes))


# The reference, from its first line to its last


async def _default(stage: Stage, _: Cast) -> AsyncIterator[Seen]:
    yield await stage.tenant.does("kubectl apply -f examples/kubernetes/plain.yaml")
    await stage.connect()
    yield await stage.management.shows(LB, rf"True +{SERVICE} +default")
    yield await stage.tenant.shows(f"kubectl get service {SERVICE}", rf"LoadBalancer .* {EXTERNAL_IP} ")
    yield await _asks(stage, "")
    async for seen in _in_the_clear_to_tls(stage):
        yield seen


async def _insecure(stage: Stage, _: Cast) -> AsyncIterator[Seen]:
    yield await stage.tenant.does("kubectl apply -f examples/kubernetes/insecure.yaml")
    yield await _asks(stage, '{"policy":"Insecure"}')
    copied = "{.items[0].metadata.annotations}"
    yield await stage.management.shows(
        f"{LB} -o jsonpath='{copied}'", r'\A\{"kubelb.k8c.io/tenant-cluster":"[^"]+"\}\Z'
    )
    yield await stage.tenant.shows(f"kubectl get service {SERVICE} -o yaml | grep {POLICY}:", "Insecure")
    async for seen in _over_tls(stage, presented="self-signed"):
        yield seen


async def _place_ca(stage: Stage, cast: Cast) -> AsyncIterator[Seen]:
    cast.write(stage.folder, "ca.crt", cast.authority.pem)
    yield Caption("the backend has a certificate of that CA now")
    stage.backend.present(cast.issued)
    yield await stage.management.does(
        'sed "s|<base64-encoded.*>|$(base64 -w0 ca.crt)|" examples/kubernetes/ca-secret.yaml | kubectl apply -f -'
    )
    yield await stage.management.shows(
        f"kubectl -n {HOME} get secret my-backend-ca -o jsonpath='{{.data.ca\\.crt}}' | base64 -d | head -n 1",
        "BEGIN CERTIFICATE",
    )


async def _verify(stage: Stage, cast: Cast) -> AsyncIterator[Seen]:
    began = time.monotonic()
    yield await stage.tenant.does("kubectl apply -f examples/kubernetes/verify.yaml")
    yield await _asks(stage, IN_FORCE)
    yield await stage.management.shows(LB, r"Verify +my-backend-ca +True")
    async for seen in _over_tls(stage, presented=cast.issued.name, since=began):
        yield seen


# Troubleshooting


async def _without_ca(stage: Stage, _: Cast) -> AsyncIterator[Seen]:
    yield await stage.tenant.does(_annotate(f"{CA}-"))
    yield await _asks(stage, '{"policy":"Verify"}')
    async for seen in _said(stage, "caSecretRef is required for Verify policy"):
        yield seen
    async for seen in _in_the_clear_to_tls(stage):
        yield seen


async def _missing_secret(stage: Stage, _: Cast) -> AsyncIterator[Seen]:
    yield await stage.management.does(f"kubectl -n {HOME} delete secret my-backend-ca")
    yield await stage.tenant.does(_annotate(f"{CA}=my-backend-ca"))
    yield await _asks(stage, IN_FORCE)
    async for seen in _said(stage, "failed to get CA secret"):
        yield seen
    async for seen in _refused(stage):
        yield seen


async def _missing_key(stage: Stage, cast: Cast) -> AsyncIterator[Seen]:
    began = time.monotonic()
    yield await stage.management.does(
        f"kubectl -n {HOME} create secret generic my-backend-ca --from-file=tls.crt=ca.crt"
    )
    async for seen in _said(stage, "secret my-backend-ca missing 'ca.crt' key"):
        yield seen
    async for seen in _refused(stage):
        yield seen
    yield Caption("its remedy:")
    yield await stage.management.does(f"kubectl -n {HOME} delete secret my-backend-ca")
    yield await stage.management.does(f"{CREATE}ca.crt")
    async for seen in _over_tls(stage, presented=cast.issued.name, since=began):
        yield seen
    yield await stage.tenant.shows(
        f"kubectl describe service {SERVICE} | grep ' ResolvedRefs '", "Normal +ResolvedRefs"
    )


async def _verify_failed(stage: Stage, cast: Cast) -> AsyncIterator[Seen]:
    began = time.monotonic()
    yield Caption("the backend gets a certificate of an intermediate CA, and does not send that")
    stage.backend.present(cast.by_intermediate)
    seen = await stage.exchange()
    yield evidence.cut(seen, UPSTREAM_FAILED, reason="CERTIFICATE_VERIFY_FAILED")
    yield evidence.all_tls(stage.nodes.since(began))
    yield Caption("its remedy:")
    cast.write(stage.folder, "bundle.crt", cast.authority.pem + cast.intermediate.pem)
    yield await stage.management.does(f"{CREATE}bundle.crt {REPLACED}")
    async for more in _over_tls(stage, presented=cast.by_intermediate.name, since=began):
        yield more


async def _plain_backend(stage: Stage, _: Cast) -> AsyncIterator[Seen]:
    began = time.monotonic()
    yield Caption("the backend speaks no TLS any more")
    stage.backend.present(None)
    seen = await stage.exchange()
    yield evidence.cut(seen, UPSTREAM_FAILED, reason="WRONG_VERSION_NUMBER")
    yield evidence.all_tls(stage.nodes.since(began))
    yield Caption("its remedy:")
    yield await stage.tenant.does(_annotate(f"{POLICY}-", f"{CA}-"))
    yield await _asks(stage, "")
    seen = await stage.exchange_until(_arrived(""))
    yield evidence.received(seen)
    yield evidence.readable(_since(stage, seen), seen)
    yield evidence.replied(seen)


async def _rotated(stage: Stage, cast: Cast) -> AsyncIterator[Seen]:
    stage.backend.present(cast.issued)
    yield await stage.tenant.does("kubectl apply -f examples/kubernetes/verify.yaml")
    async for seen in _over_tls(stage, presented=cast.issued.name):
        yield seen
    began = time.monotonic()
    yield Caption(
        "the backend gets a certificate of a new CA, then the Secret does; nobody touches the Service"
    )
    stage.backend.present(cast.renewed)
    cast.write(stage.folder, "new-ca.crt", cast.new_authority.pem)
    seen_before = await stage.exchange()
    yield evidence.cut(seen_before, UPSTREAM_FAILED, reason="CERTIFICATE_VERIFY_FAILED")
    yield await stage.management.does(f"{CREATE}new-ca.crt {REPLACED}")
    async for seen in _over_tls(stage, presented=cast.renewed.name, since=began):
        yield seen


# What the reference does not tell


async def _wrong_policy(stage: Stage, cast: Cast) -> AsyncIterator[Seen]:
    began = time.monotonic()
    yield await stage.tenant.does(_annotate(f"{POLICY}=verify"))
    yield await stage.tenant.shows(
        f"kubectl describe service {SERVICE} | grep InvalidBackendTLSPolicy",
        rf"Warning .*annotation {POLICY}: 'verify' is not allowed: must be exactly Insecure or Verify",
    )
    yield await _asks(stage, IN_FORCE)
    async for seen in _over_tls(stage, presented=cast.renewed.name, since=began):
        yield seen


async def _deleted(stage: Stage, _: Cast) -> AsyncIterator[Seen]:
    yield await stage.tenant.does(f"kubectl delete service {SERVICE}")
    yield await stage.management.prints(
        f"kubectl -n {HOME} get lb,service", f"No resources found in {HOME} namespace."
    )
    try:
        await poll(
            partial(ask, stage.port, host=EXTERNAL_IP),
            lambda attempt: attempt.outcome is Outcome.REFUSED,
            within=10,
            what="a port that is closed",
        )
    except NotSeenError as error:
        yield Evidence("client", str(error), holds=False)
    else:
        yield Evidence("client", "connection refused: Envoy listens there no more", holds=True)


STEPS: Final = (
    Step("Neither annotation: Envoy connects in plain TCP", _default),
    Step("Insecure mode", _insecure),
    Step("Verify mode, 1. Place the CA on the management cluster", _place_ca),
    Step("Verify mode, 2. Annotate the tenant Service", _verify),
    Step(
        "Troubleshooting: Verify without backend-tls-ca-secret",
        _without_ca,
        "caSecretRef is required for Verify policy",
    ),
    Step("Troubleshooting: the Secret does not exist", _missing_secret, "failed to get CA secret"),
    Step("Troubleshooting: the Secret has no ca.crt", _missing_key, "secret <name> missing 'ca.crt' key"),
    Step(
        "Troubleshooting: the chain is incomplete",
        _verify_failed,
        "Handshake fails with certificate verify failed",
    ),
    Step(
        "Troubleshooting: the backend does not speak TLS",
        _plain_backend,
        'Connection resets / TLS alerts with a "plain" backend',
    ),
    Step("Troubleshooting: the CA is another one", _rotated, "Changes to the CA Secret are not picked up"),
    Step("A policy that is neither Insecure nor Verify", _wrong_policy),
    Step("The Service is deleted", _deleted),
)
"""In order; the first one needs a stage on which nothing was played yet."""
