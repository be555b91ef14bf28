"""What the probe says of a backend: the cause by a word for programs, and in a sentence with the remedy for people."""

import asyncio
import socket
import ssl

import pytest
from cryptography import x509

from tests.xds.app.probe.cases import BACKEND, CASES, ROOT, Case
from tests.xds.translate import ca_der
from xds.app.demo.backends import Backend, BlackHole
from xds.app.probe.dial import Dialled, Failure, _handshake, _key_usage, dial
from xds.app.probe.targets import Policy, Target
from xds.app.probe.verdict import Verdict, verdict_of


async def probed(
    port: int, policy: Policy, ca: bytes = b"", *, proxy: bool = False, within: float = 5.0
) -> Verdict:
    """Dial a port of this machine, beside the backend."""
    target = Target("a-cluster", "127.0.0.1", port, policy, ca, proxy)
    return verdict_of(await asyncio.to_thread(dial, target, timeout=within))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_each_cause_has_its_word_and_its_remedy(case: Case) -> None:
    """Chain, dates, revocation, key usage, purpose, no TLS: each is told apart from the others."""
    async with Backend("backend", identity=case.identity) as backend:
        verdict = await probed(backend.port, case.policy, case.ca)
    assert case.code in ("", verdict.code), verdict
    assert case.words in f"{verdict.cause} {verdict.remedy}"
    assert verdict.ok or verdict.remedy


async def test_what_a_backend_presents_is_told() -> None:
    """Its chain is told with names, end and fingerprint, whether it passes or not."""
    identity = CASES["the intermediate is sent"].identity
    async with Backend("backend", identity=identity) as backend:
        verdict = await probed(backend.port, "verify", ROOT.pem)
    assert verdict.version == "TLSv1.3"
    assert [each.subject for each in verdict.presented] == ["CN=backend of issuing", "CN=issuing"]
    assert all(len(each.sha256) == 64 for each in verdict.presented)


async def test_a_backend_of_old_tls_is_told() -> None:
    """One that offers TLS 1.1 at most says so by an alert."""
    old = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        backend = Backend("backend", identity=CASES["verify"].identity, minimum=old, maximum=old)
    async with backend:
        assert backend._context is not None
        backend._context.set_ciphers("DEFAULT:@SECLEVEL=0")
        verdict = await probed(backend.port, "verify", ROOT.pem)
    assert verdict.code == "tls-version"
    assert "enable one of them" in verdict.remedy


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_that_envoy_speaks_pass(version: ssl.TLSVersion) -> None:
    """A backend of either version alone is reached."""
    identity = CASES["verify"].identity
    async with Backend("backend", identity=identity, minimum=version, maximum=version) as backend:
        assert (await probed(backend.port, "verify", ROOT.pem)).ok


ODD: dict[str, bytes] = {
    "an old encoding": ca_der.certificate(subject=ca_der.name(b"M\xfcller", 0x14)),
    "escape sequences": ca_der.certificate(subject=ca_der.name(b"a\x1b[2Jb")),
    "an extension twice": ca_der.certificate(
        extensions=[ca_der.extension(ca_der.BASIC_CONSTRAINTS, b"0\0")] * 2
    ),
}


@pytest.mark.parametrize("der", ODD.values(), ids=ODD)
def test_a_certificate_that_is_odd(der: bytes) -> None:
    """Whatever a backend presents is shown as far as it can be read, and steers no terminal."""
    target = Target("a-cluster", "127.0.0.1", 1, "verify", ROOT.pem, proxy_header=False)
    failure = Failure("issuer", "unable to get local issuer certificate", 20)
    odd = x509.load_der_x509_certificate(der)
    verdict = verdict_of(Dialled(target, failure, "TLSv1.3", [odd]))
    assert f"{verdict.remedy}{verdict.presented[0].subject}".isprintable()
    assert _key_usage([odd]) is None


async def test_a_host_that_can_be_none_is_told() -> None:
    """What no resolver takes is a name that cannot be resolved."""
    target = Target("a-cluster", "a..b", 443, "verify", ROOT.pem, proxy_header=False)
    assert verdict_of(dial(target)).code == "name"


def test_a_ca_that_openssl_does_not_take_is_told() -> None:
    """It is an answer, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        seen = Dialled(Target("a-cluster", "127.0.0.1", port, "verify", b"no PEM", proxy_header=False))
        failure = _handshake(seen, b"no PEM", 0.2)
    assert failure is not None
    assert failure.code == "tls"


async def test_nobody_listening_is_told(unused_tcp_port: int) -> None:
    """A port that nothing has is refused."""
    verdict = await probed(unused_tcp_port, "verify", ROOT.pem)
    assert (verdict.code, verdict.cause) == ("refused", "connection refused")


async def test_a_black_hole_ends_in_time() -> None:
    """A connection that never comes about ends with the timeout."""
    with BlackHole("hole") as hole:
        verdict = await probed(hole.port, "verify", ROOT.pem, within=0.2)
    assert verdict.code == "timeout"


async def test_the_proxy_header_goes_first() -> None:
    """A backend that is to get the PROXY header gets it in the clear, before anything else."""
    async with Backend("backend") as backend:
        assert (await probed(backend.port, "plain", proxy=True)).ok
        await backend.connections.first(
            lambda seen: seen.received.startswith(b"\r\n\r\n\x00\r\nQUIT\n\x20"), what="the header"
        )


async def test_a_name_that_nobody_knows_is_told() -> None:
    """A hostname that cannot be resolved is told apart from a backend that is down."""
    target = Target("a-cluster", "no-such-name.invalid", 443, "verify", ROOT.pem, proxy_header=False)
    verdict = verdict_of(await asyncio.to_thread(dial, target))
    assert verdict.code == "name"


async def test_a_client_certificate_that_is_wanted_is_told() -> None:
    """A backend that asks for a client certificate refuses everybody, and the remedy says which."""
    identity = CASES["verify"].identity
    assert identity is not None
    async with Backend("backend", identity=identity) as backend:
        context = backend._context
        assert context is not None
        context.load_verify_locations(cadata=ROOT.pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        verdict = await probed(backend.port, "verify", ROOT.pem)
    assert verdict.code == "client-certificate"


def test_a_cluster_that_fails_closed_is_not_dialled() -> None:
    """Envoy dials nobody then, and neither does the probe."""
    target = Target("a-cluster", "127.0.0.1", 1, "fail-closed", b"", proxy_header=False)
    verdict = verdict_of(dial(target))
    assert verdict.code == "fail-closed"
    assert "explain" in verdict.remedy


def test_data_for_programs_holds_no_key() -> None:
    """The answer for programs has names and fingerprints, and nothing of any PEM."""
    target = Target("a-cluster", "127.0.0.1", 1, "verify", BACKEND.pem + BACKEND.key_pem, proxy_header=False)
    data = verdict_of(dial(target, timeout=0.2)).as_data()
    assert "PRIVATE" not in str(data)
