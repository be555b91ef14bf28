"""What a run of certgen makes, keeps and replaces, and that no run leaves one side showing what the other does not trust."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from xds.app.certgen import CA, SERVER, Certificates, Made, Wanted, tenant_entry
from xds.app.certgen.plan import Contents
from xds.app.errors import UserError
from xds.server import CertificateTenants

DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC)
WANTED = Wanted(server_names=("xds.test", "127.0.0.1"))
A = tenant_entry(["a"])

State = dict[str, Contents]


def play(
    state: State, *, after: dt.timedelta = 0 * DAY, wanted: Wanted = WANTED, **how: Any
) -> dict[str, str]:
    """Run certgen on what is there, and return the reason for each entry that it writes."""
    certificates = Certificates(wanted, state.get(CA), now=NOW + after, **how)
    made: Mapping[str, Made] = {
        CA: certificates.ca,
        SERVER: certificates.server(state.get(SERVER)),
        A: certificates.tenant(["a"], state.get(A)),
    }
    state.update({entry: each.contents for entry, each in made.items()})
    return {entry: each.why for entry, each in made.items() if each.why}


def fresh() -> State:
    """Return what a first run makes."""
    state: State = {}
    play(state)
    return state


def leaf(state: State, entry: str) -> x509.Certificate:
    """Return an entry's own certificate."""
    return x509.load_pem_x509_certificate(state[entry]["tls.crt"])


def each_trusts_the_other(before: State, after: State) -> bool:
    """Whether either side may take up its new files first."""
    for shows, verifies in ((before, after), (after, before), (after, after)):
        for one, other in ((SERVER, A), (A, SERVER)):
            authorities = x509.load_pem_x509_certificates(verifies[other]["ca.crt"])
            if not any(issued(each, leaf(shows, one)) for each in authorities):
                return False
    return True


def issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the authority signed it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True


def test_a_first_run_makes_everything() -> None:
    """There is an authority, and below it the server's certificate with its names, and a tenant's that names the tenant."""
    state: State = {}
    assert play(state) == dict.fromkeys((CA, SERVER, A), "missing")
    (authority,) = x509.load_pem_x509_certificates(state[CA]["ca.crt"])
    for entry, use in ((SERVER, x509.OID_SERVER_AUTH), (A, x509.OID_CLIENT_AUTH)):
        certificate = leaf(state, entry)
        certificate.verify_directly_issued_by(authority)
        key = load_pem_private_key(state[entry]["tls.key"], None)
        assert key.public_key() == certificate.public_key()
        assert state[entry]["ca.crt"] == state[CA]["ca.crt"]
        (only,) = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert only == use
    names = leaf(state, SERVER).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["xds.test", "127.0.0.1"]
    assert CertificateTenants("cluster.local").tenants(leaf(state, A)) == {"a"}


def test_a_certificate_may_name_several_tenants() -> None:
    """One entry may be for several tenants."""
    made = Certificates(WANTED, None, now=NOW).tenant(["a", "b"], None)
    certificate = x509.load_pem_x509_certificate(made.contents["tls.crt"])
    assert CertificateTenants().tenants(certificate) == {"a", "b"}


def test_a_second_run_writes_nothing() -> None:
    """What is good stays as it is, to the byte."""
    state = fresh()
    before = dict(state)
    assert play(state, after=59 * DAY) == {}
    assert state == before


def test_what_is_due_is_renewed() -> None:
    """With a third of its life left a certificate is replaced by one of the same authority; the authority stays."""
    state = fresh()
    assert play(state, after=61 * DAY) == dict.fromkeys(
        (SERVER, A), f"the one before ends {NOW + 90 * DAY:%Y-%m-%d}"
    )


def test_other_names_are_a_new_certificate() -> None:
    """A server that is to be reached by another name gets a new certificate, and nobody else does."""
    state = fresh()
    other = Wanted(server_names=("127.0.0.1", "xds.test", "new.test"))
    assert play(state, wanted=other) == {SERVER: "other names"}
    assert play(state, wanted=Wanted(server_names=("new.test", "xds.test", "127.0.0.1"))) == {}


@pytest.mark.parametrize(
    "broken",
    [
        {"tls.crt": b"x"},
        {"tls.key": b"x"},
        {"ca.crt": b""},
        {"tls.crt": None},
        {"tls.key": None},
        {"ca.crt": None},
        {"tls.key": fresh()[A]["tls.key"]},
    ],
    ids=["certificate", "key", "ca", "no-certificate", "no-key", "no-ca", "key-of-another"],
)
def test_half_an_entry_is_made_anew(broken: Mapping[str, bytes | None]) -> None:
    """An entry that lacks a file, or in which one is no use, is made anew; the others stay."""
    state = fresh()
    state[A] = {name: content for name, content in {**state[A], **broken}.items() if content is not None}
    assert play(state) == {A: "unreadable"}
    assert play(state) == {}


@pytest.mark.parametrize("due", [False, True], ids=["asked for", "due"])
def test_an_authority_is_replaced_without_a_gap(due: bool) -> None:
    """A new authority is trusted first and signs a day later, so that at no time one side shows what the other does not trust."""
    wanted = Wanted(server_names=("xds.test",), ca_lifetime=300 * DAY, lifetime=60 * DAY)
    state: State = {}
    play(state, wanted=wanted)
    if due:  # two thirds of its life are over
        whys = play(state, wanted=wanted, after=201 * DAY)
        assert whys[CA] == f"the authority before ends {NOW + 300 * DAY:%Y-%m-%d}"
        return
    before = dict(state)
    whys = play(state, wanted=wanted, rotate=True)
    assert whys == {CA: "rotated", SERVER: "trusts other authorities", A: "trusts other authorities"}
    assert leaf(state, A) == leaf(before, A)
    assert each_trusts_the_other(before, state)
    assert play(state, wanted=wanted, after=DAY / 2) == {}

    trusting = dict(state)
    assert play(state, wanted=wanted, after=DAY) == dict.fromkeys((SERVER, A), "another authority signs now")
    assert each_trusts_the_other(trusting, state)
    newest, oldest = x509.load_pem_x509_certificates(state[CA]["ca.crt"])
    assert issued(newest, leaf(state, A))
    assert not issued(oldest, leaf(state, A))
    assert play(state, wanted=wanted, after=DAY) == {}


def test_an_authority_that_has_ended_is_dropped() -> None:
    """After its end an authority is trusted no more, and what it issued is made anew."""
    wanted = Wanted(server_names=("xds.test",), ca_lifetime=10 * DAY, lifetime=5 * DAY)
    state: State = {}
    play(state, wanted=wanted)
    assert play(state, wanted=wanted, after=11 * DAY)[CA] == "expired"
    assert len(x509.load_pem_x509_certificates(state[CA]["ca.crt"])) == 1


def test_no_certificate_outlives_its_authority() -> None:
    """A certificate ends with its authority at the latest."""
    wanted = Wanted(server_names=("xds.test",), ca_lifetime=10 * DAY)
    state: State = {}
    play(state, wanted=wanted)
    (authority,) = x509.load_pem_x509_certificates(state[CA]["ca.crt"])
    assert leaf(state, A).not_valid_after_utc <= authority.not_valid_after_utc


def test_force_trusts_nothing_of_before() -> None:
    """After --force nothing that was issued before is trusted any more."""
    state = fresh()
    before = dict(state)
    assert play(state, force=True) == dict.fromkeys((CA, SERVER, A), "forced")
    assert not each_trusts_the_other(before, state)
    (authority,) = x509.load_pem_x509_certificates(state[SERVER]["ca.crt"])
    leaf(state, A).verify_directly_issued_by(authority)


@pytest.mark.parametrize("name", ["ca.crt", "ca.key"])
@pytest.mark.parametrize("content", [None, b"", fresh()[CA]["ca.key"], fresh()[CA]["ca.crt"]], ids=range(4))
def test_a_broken_authority_is_not_replaced_in_silence(name: str, content: bytes | None) -> None:
    """An authority's files that do not fit together are an error with the remedies; --force is one of them."""
    state = fresh()
    state[CA] = {key: value for key, value in {**state[CA], name: content}.items() if value is not None}
    with pytest.raises(UserError, match="from a backup, or make everything anew with --force") as raised:
        play(state)
    assert "PRIVATE" not in str(raised.value)
    assert set(play(state, force=True)) == {CA, SERVER, A}


def test_a_run_that_was_killed_between_the_authoritys_files() -> None:
    """Where the newest authority's key was not written yet, that authority is made anew, and all that was issued stays good."""
    state = fresh()
    before = dict(state)
    play(state, rotate=True)
    state = {**before, CA: {"ca.crt": state[CA]["ca.crt"], "ca.key": before[CA]["ca.key"]}}
    assert play(state) == {}
    whys = play(state, rotate=True)
    assert whys == {CA: "rotated", SERVER: "trusts other authorities", A: "trusts other authorities"}
    assert each_trusts_the_other(before, state)


def test_nothing_shows_a_key() -> None:
    """What is printed of an entry has no content."""
    made = Certificates(WANTED, None, now=NOW).server(None)
    assert repr(made) == f"<Made until {made.expires.isoformat()}: missing>"
