import asyncio
import re
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.pki import START, Identity, block, ca
from tests.support.static_envoy import bootstrap, tcp, verify
from tests.support.workbench import running_envoy
from tests.xds.translate.test_ca_bundle import REJECTS_SERVERS
from tests.xds.translate.test_ca_revocation import DELTA, ONLY_USERS
from xds.app.demo.access_log import AccessLogEntry
from xds.app.demo.ports import Ports
from xds.translate.ca import bundle_findings, parse_bundle

pytestmark = pytest.mark.envoy

PAST: Final = START + timedelta(days=1)
FUTURE: Final = datetime(2040, 1, 1, tzinfo=UTC)
ROOT = ca("root")
ISSUING = ROOT.intermediate("issuing")
BACKEND = ROOT.issue("backend")
DEEP = ISSUING.issue("deep")
OTHER = ca("other")
EXPIRED = ca("root", end=PAST)
EARLY = ca("root", start=FUTURE)
NO_CA = ca("no ca", is_ca=False, uses=None)
NO_CRL_SIGN = ca("no crl sign", uses=["key_cert_sign"])
UNABLE: Final = "unable_to_get_certificate_CRL"


class Case(NamedTuple):
    """A backend, what is trusted, why Envoy refuses it ("" when it does not), and the reason of our finding."""

    backend: Identity
    trusted: bytes
    refused: str = ""
    finding: str = ""


CASES: Final = {
    "root": Case(DEEP, ROOT.pem),
    "intermediate-alone": Case(DEEP, ISSUING.pem),
    "stranger": Case(BACKEND, OTHER.pem, "unable_to_get_local_issuer_certificate"),
    "expired": Case(BACKEND, EXPIRED.pem, "certificate_has_expired", "CACertificateExpired"),
    "expired-first": Case(BACKEND, EXPIRED.pem + ROOT.pem, "certificate_has_expired", "CACertificateExpired"),
    "expired-behind": Case(BACKEND, ROOT.pem + EXPIRED.pem, "", "CACertificateExpired"),
    "early": Case(BACKEND, EARLY.pem, "certificate_is_not_yet_valid", "CACertificateNotYetValid"),
    "early-first": Case(
        BACKEND, EARLY.pem + ROOT.pem, "certificate_is_not_yet_valid", "CACertificateNotYetValid"
    ),
    "early-behind": Case(BACKEND, ROOT.pem + EARLY.pem, "", "CACertificateNotYetValid"),
    "pinned": Case(BACKEND, BACKEND.pem, "", "NotACACertificate"),
    "issued-by-a-backend": Case(
        BACKEND.issue("below"), BACKEND.pem, "unable_to_get_local_issuer_certificate", "NotACACertificate"
    ),
    "issued-by-no-ca": Case(NO_CA.issue("below"), NO_CA.pem, "", "NotACACertificate"),
    "trusted-for-nothing": Case(
        BACKEND, block("TRUSTED CERTIFICATE", ROOT.der + REJECTS_SERVERS), "certificate_rejected"
    ),
    "crl": Case(BACKEND, ROOT.pem + ROOT.crl()),
    "revoked": Case(BACKEND, ROOT.pem + ROOT.crl(revoked=[BACKEND]), "certificate_revoked"),
    "revoked-intermediate": Case(
        DEEP, ROOT.pem + ISSUING.pem + ROOT.crl(revoked=[ISSUING]) + ISSUING.crl(), "certificate_revoked"
    ),
    "crl-expired": Case(BACKEND, ROOT.pem + ROOT.crl(end=PAST), "CRL_has_expired", "CRLExpired"),
    "crl-expired-beside-good": Case(BACKEND, ROOT.pem + ROOT.crl(end=PAST) + ROOT.crl()),
    "crl-early": Case(BACKEND, ROOT.pem + ROOT.crl(start=FUTURE), "CRL_is_not_yet_valid", "CRLNotYetValid"),
    "crl-of-a-stranger": Case(BACKEND, ROOT.pem + OTHER.crl(), UNABLE, "CRLMissing"),
    "crl-of-the-root-alone": Case(DEEP, ROOT.pem + ISSUING.pem + ROOT.crl(), UNABLE, "CRLMissing"),
    "crl-of-the-intermediate-alone": Case(DEEP, ROOT.pem + ISSUING.pem + ISSUING.crl(), UNABLE, "CRLMissing"),
    "crls-without-the-root": Case(DEEP, ISSUING.pem + ISSUING.crl() + ROOT.crl(), UNABLE, "CRLMissing"),
    "crls-of-both": Case(DEEP, ROOT.pem + ISSUING.pem + ROOT.crl() + ISSUING.crl()),
    "crl-beside-a-pinned-one": Case(BACKEND, BACKEND.pem + ROOT.crl(), UNABLE, "CRLMissing"),
    "crl-of-another-key": Case(
        BACKEND, ROOT.pem + ROOT.crl(signer=OTHER), "CRL_signature_failure", "CRLUnusable"
    ),
    "crl-delta": Case(
        BACKEND, ROOT.pem + ROOT.crl(extensions=[DELTA]), "unhandled_critical_CRL_extension", "CRLUnusable"
    ),
    "crl-delta-beside-good": Case(BACKEND, ROOT.pem + ROOT.crl(extensions=[DELTA]) + ROOT.crl()),
    "crl-for-some": Case(
        BACKEND, ROOT.pem + ROOT.crl(extensions=[ONLY_USERS]), "Different_CRL_scope", "CRLUnusable"
    ),
    "crl-not-allowed": Case(
        NO_CRL_SIGN.issue("below"),
        NO_CRL_SIGN.pem + NO_CRL_SIGN.crl(),
        "key_usage_does_not_include_CRL_signing",
        "CRLUnusable",
    ),
}


def is_of(cluster: str, entry: AccessLogEntry) -> bool:
    """Whether a line of the access log tells of this cluster."""
    return entry.upstream_cluster == cluster


async def ask(name: str, port: int) -> None:
    """Send something through Envoy, and wait until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"hello")
        async with asyncio.timeout(10):
            answer = await reader.read(5)
        assert answer in (b"", b"hello"), name
    except ConnectionResetError:
        pass
    finally:
        writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what was read."""
    writer.write(await reader.read(5))
    writer.close()


async def backend(identity: Identity, folder: Path, stack: AsyncExitStack) -> int:
    """Start a TLS server with this identity's chain; return its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity.write(folder))
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    await stack.enter_async_context(server)
    port: int = server.sockets[0].getsockname()[1]
    return port


@pytest.mark.usefixtures("envoy_binary")
async def test_envoy_refuses_what_is_said_that_it_refuses(tmp_path: Path) -> None:
    """For every bundle, a real handshake through Envoy ends as the comments and messages of this room say."""
    ports = Ports()
    listeners = {name: ports.choose("a test").number for name in CASES}
    seen = {}
    async with AsyncExitStack() as stack:
        routes = [
            tcp(
                name,
                listeners[name],
                await backend(case.backend, tmp_path / name, stack),
                tls=verify(parse_bundle(case.trusted).pem),
            )
            for name, case in CASES.items()
        ]
        envoy = await stack.enter_async_context(running_envoy(bootstrap(*routes), tmp_path))
        for name, port in listeners.items():
            await ask(name, port)
            entry = await envoy.access_log.first(partial(is_of, name), what=name)
            seen[name] = entry.upstream_transport_failure_reason or ""
    for name, case in CASES.items():
        if case.refused:
            assert re.search(f"{case.refused}($|:)", seen[name]), name
        else:
            assert seen[name] == "", name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_envoy_refuses_is_said(case: Case) -> None:
    """A finding tells of it beforehand, in Envoy's own words, wherever the bundle alone is the reason."""
    findings, _ = bundle_findings(parse_bundle(case.trusted), datetime.now(UTC), timedelta(days=30))
    reasons: set[str] = {finding.reason for finding in findings}
    assert case.finding in (reasons or {""})
    if case.finding not in ("", "NotACACertificate") and case.refused:
        assert any(f"({case.refused})" in finding.message for finding in findings)
