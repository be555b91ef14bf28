"""Which names in a certificate are tenants, and which are not."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.support import pki
from tests.support.mtls import envoy_of, names
from tests.xds.translate import ca_der
from xds.app.settings import DEFAULT_TENANTS_DOMAIN
from xds.server import TENANTS_DOMAIN, CertificateTenants, RefusedError

CA = pki.ca("root")
TENANTS = CertificateTenants()


class Context:
    """A stream's context, as far as it says who the client is."""

    def __init__(self, *pems: bytes) -> None:
        self._pems = pems

    def auth_context(self) -> dict[str, tuple[bytes, ...]]:
        """Return what gRPC says of the client's certificate; without TLS it says nothing."""
        return {"x509_pem_cert": self._pems} if self._pems else {}


def named(
    *, uris: list[str] | None = None, dns: list[str] | None = None, by: CertificateTenants = TENANTS
) -> set[str]:
    """Return the tenants that a certificate with these names has."""
    identity = CA.issue("client", extensions=[names(uris=uris or [], dns=dns or [])])
    return set(by.tenants(identity.certificate))


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://cluster.local/ns/tenant-a",
        "spiffe://cluster.local/ns/tenant-a/envoy",
        "spiffe://cluster.local/ns/tenant-a/sa/default",
    ],
)
def test_a_uri_names_a_tenant(uri: str) -> None:
    """The segment after /ns/ of a SPIFFE id is a tenant, whatever path is below it."""
    assert named(uris=[uri]) == {"tenant-a"}


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://cluster.local/ns/",
        "spiffe://cluster.local/ns/tenant-a/",
        "spiffe://cluster.local/ns//tenant-a",
        "spiffe://cluster.local/ns/tenant-a/..",
        "spiffe://cluster.local/ns/../tenant-a",
        "spiffe://cluster.local/ns/tenant-a?x",
        "spiffe://cluster.local/ns/tenant-a#x",
        "spiffe://cluster.local/ns/tenant%2Da",
        "spiffe://cluster.local/ns/tenant-a\n",
        "spiffe://cluster.local/x/ns/tenant-a",
        "spiffe://cluster.local/NS/tenant-a",
        "spiffe://user@cluster.local/ns/tenant-a",
        "spiffe://cluster.local:1/ns/tenant-a",
        "spiffe:///ns/tenant-a",
        "https://cluster.local/ns/tenant-a",
        "SPIFFE://cluster.local/ns/tenant-a",
    ],
)
def test_any_other_uri_names_nobody(uri: str) -> None:
    """What is not exactly of the form names no tenant."""
    assert named(uris=[uri]) == set()


def test_a_dns_name_names_a_tenant() -> None:
    """One label before the tenants' domain is a tenant, in whatever case it is written."""
    assert named(dns=[f"tenant-a.{TENANTS_DOMAIN}"]) == {"tenant-a"}
    assert named(dns=[f"Tenant-A.{TENANTS_DOMAIN}".upper()]) == {"tenant-a"}


@pytest.mark.parametrize(
    "host",
    [
        TENANTS_DOMAIN,
        f".{TENANTS_DOMAIN}",
        f"*.{TENANTS_DOMAIN}",
        f"a.tenant-a.{TENANTS_DOMAIN}",
        f"tenant-a.{TENANTS_DOMAIN}.",
        f"tenant_a.{TENANTS_DOMAIN}",
        f"tenant-a.evil{TENANTS_DOMAIN}",
        "tenant-a.svc",
        "tenant-a",
    ],
)
def test_any_other_dns_name_names_nobody(host: str) -> None:
    """Wildcards, deeper names and other domains name no tenant."""
    assert named(dns=[host]) == set()


def test_a_certificate_may_name_several() -> None:
    """Every name of either form counts; the others do no harm."""
    uris = ["spiffe://x/ns/a", "spiffe://y/ns/b/envoy", "https://c"]
    assert named(uris=uris, dns=[f"d.{TENANTS_DOMAIN}", "localhost"]) == {"a", "b", "d"}


def test_a_common_name_names_nobody() -> None:
    """Neither a common name nor an address is looked at, and a certificate without names has no tenant."""
    assert TENANTS.tenants(CA.issue("spiffe://x/ns/a").certificate) == frozenset()
    assert TENANTS.tenants(CA.issue("x", ips=["127.0.0.1"]).certificate) == frozenset()


def test_a_trust_domain_shuts_out_the_others() -> None:
    """With a trust domain only its own URIs count, and DNS names as before."""
    by = CertificateTenants(trust_domain="mine", tenants_domain="envoys.example.com")
    uris = ["spiffe://mine/ns/a", "spiffe://mine.evil/ns/b", "spiffe://yours/ns/c"]
    assert named(uris=uris, dns=["d.envoys.example.com", f"e.{TENANTS_DOMAIN}"], by=by) == {"a", "d"}


@given(st.text(alphabet="abz09-._~/%:@?#\\ns", max_size=30))
def test_a_tenant_is_what_was_written(text: str) -> None:
    """Whatever stands in a URI, it names one plain segment of itself or nobody."""
    for tenant in named(uris=[f"spiffe://d/ns/{text}"]):
        assert text == tenant or text.startswith(f"{tenant}/")
        assert "/" not in tenant
        assert tenant not in {".", ".."}


def test_the_denial_names_both() -> None:
    """Who asks for another's tenant is told which it asked for and which it may have."""
    with pytest.raises(RefusedError) as raised:
        TENANTS(Context(envoy_of(CA, "a", "b").pem), "c")
    assert raised.value.status == "PERMISSION_DENIED"
    assert str(raised.value).startswith(
        "tenant 'c' is asked for, and the client's certificate names 'a', 'b': mend node.cluster"
    )


def test_the_denial_teaches_who_has_no_name() -> None:
    """Who has a certificate without any tenant is told what it would have to say."""
    with pytest.raises(RefusedError, match=r"names none.* spiffe://mine/ns/c or .* c\.envoys\.test$"):
        CertificateTenants("mine", "envoys.test")(Context(envoy_of(CA).pem), "c")


def test_a_thousand_names_make_a_short_line() -> None:
    """Of many tenants the denial names some and counts the rest."""
    with pytest.raises(RefusedError, match=r"'t106' and 990 more:"):
        TENANTS(Context(envoy_of(CA, *(f"t{number}" for number in range(1000))).pem), "c")


def test_an_expired_certificate_is_nobody() -> None:
    """One that has expired since the handshake is UNAUTHENTICATED, with the moment in the text."""
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    with pytest.raises(RefusedError, match=f"expired at {ended.isoformat().replace('+', '[+]')}") as raised:
        TENANTS(Context(envoy_of(CA, "a", end=ended).pem), "a")
    assert raised.value.status == "UNAUTHENTICATED"


@pytest.mark.parametrize("pems", [(), (b"",), (b"nonsense",)], ids=["none", "empty", "nonsense"])
def test_without_a_certificate_nobody_is_let_in(pems: tuple[bytes, ...]) -> None:
    """A client of which gRPC has no certificate is UNAUTHENTICATED."""
    with pytest.raises(RefusedError) as raised:
        TENANTS(Context(*pems), "a")
    assert raised.value.status == "UNAUTHENTICATED"


def test_names_that_cannot_be_read_are_none() -> None:
    """A certificate whose names are broken names nobody."""
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x86\x05a")
    assert TENANTS.tenants(CA.issue("x", extensions=[(broken, False)]).certificate) == frozenset()
    constraints = ca_der.extension(ca_der.BASIC_CONSTRAINTS, b"0\0")
    twice = ca_der.certificate(extensions=[constraints, constraints])
    assert TENANTS.tenants(x509.load_der_x509_certificate(twice)) == frozenset()


def test_the_program_has_the_librarys_domain() -> None:
    """The setting's default, which --help shows without loading anything, is the library's."""
    assert DEFAULT_TENANTS_DOMAIN == TENANTS_DOMAIN
