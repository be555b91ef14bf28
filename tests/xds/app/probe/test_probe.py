"""What the probe says of a backend: the cause by a word for programs, and in a sentence with the remedy for people."""

import asyncio
import ssl

import pytest

from tests.xds.app.probe.cases import BACKEND, CASES, ROOT, Case
from xds.app.demo.backends import Backend, BlackHole
from xds.app.probe.dial import dial
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
