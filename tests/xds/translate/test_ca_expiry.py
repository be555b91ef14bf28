from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pytest

from tests.support.pki import ca
from xds.translate.ca import bundle_findings, parse_bundle
from xds.translate.expiry import first_ends
from xds.translate.findings import Finding

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + 365 * DAY
ROOT = ca("root", start=START, end=END)
NEVER_MIND = ca("other", start=START - 1000 * DAY, end=START + 10_000 * DAY)


class Said(NamedTuple):
    """What is said at a moment, and when something else may be."""

    findings: tuple[Finding, ...]
    recheck_at: datetime | None

    @property
    def reasons(self) -> list[str]:
        """The findings' reasons."""
        return [finding.reason for finding in self.findings]


def said(text: bytes, now: datetime, warn_within: timedelta = MONTH) -> Said:
    """Return what is said of a bundle at a moment."""
    return Said(*bundle_findings(parse_bundle(text), now, warn_within))


def test_a_valid_ca_is_nothing_to_speak_of_until_its_end_comes_near() -> None:
    """The next moment to look is when it begins to expire."""
    assert said(ROOT.pem, START + DAY) == ((), END - MONTH)


def test_a_certificates_life_is_told_stage_by_stage() -> None:
    """Asked again whenever it says so, it tells every stage, each from its first second, and then rests."""
    stages = []
    moment: datetime | None = START - DAY
    while moment is not None:
        found = said(ROOT.pem, moment)
        stages.append((moment, found.reasons))
        moment = found.recheck_at
    assert stages == [
        (START - DAY, ["CACertificateNotYetValid"]),
        (START, []),
        (END - MONTH, ["CACertificateExpiring"]),
        (END, ["CACertificateExpired"]),
    ]


@pytest.mark.parametrize("moment", [START, END - MONTH, END])
def test_a_stage_begins_with_its_second_and_not_before(moment: datetime) -> None:
    """Envoy's own limits: the end itself is too late, the beginning itself is not too early."""
    before = said(ROOT.pem, moment - timedelta(microseconds=1))
    assert before.recheck_at == moment
    assert before.reasons != said(ROOT.pem, moment).reasons


def test_an_expired_ca_is_a_warning_and_is_sent() -> None:
    """The text names place, subject, date, what Envoy says, and the remedy."""
    bundle = parse_bundle(ROOT.pem)
    (finding,), recheck_at = bundle_findings(bundle, END + DAY, MONTH)
    assert bundle.pem == ROOT.pem
    assert recheck_at is None
    assert (finding.level, finding.condition, finding.path) == ("warning", "ResolvedRefs", "")
    assert finding.message == (
        "ca.crt block 1 (line 1): CN=root expired at 2027-01-01T00:00:00Z; Envoy refuses every certificate that chains "
        "to it (certificate_has_expired); replace it with its successor"
    )


def test_an_expiring_ca_is_a_condition_of_its_own() -> None:
    """It has nothing to do with references that are resolved."""
    ((finding,), _) = said(ROOT.pem, END - DAY)
    assert (finding.level, finding.condition, finding.reason) == (
        "warning",
        "CACertificateExpiring",
        "CACertificateExpiring",
    )
    assert "CN=root expires at 2027-01-01T00:00:00Z" in finding.message


def test_a_hidden_successor_is_told_of() -> None:
    """Envoy uses the first of a name: an expired one before its successor is worse than one behind it."""
    successor = ca("root", start=START, end=END + 1000 * DAY)
    hidden = said(ROOT.pem + successor.pem, END + DAY)
    open_ = said(successor.pem + ROOT.pem, END + DAY)
    assert hidden.reasons == open_.reasons == ["CACertificateExpired"]
    text = "even though a valid one of the same name stands behind it, since Envoy uses the first; remove it"
    assert text in hidden.findings[0].message
    assert text not in open_.findings[0].message


def test_a_successor_that_comes_too_early_is_told_of() -> None:
    """One that is not valid yet hides its predecessor just as well."""
    successor = ca("root", start=END - DAY, end=END + 1000 * DAY)
    hidden, *_ = said(successor.pem + ROOT.pem, START + DAY).findings
    assert hidden.reason == "CACertificateNotYetValid"
    assert "put it last" in hidden.message
    behind, *_ = said(ROOT.pem + successor.pem, START + DAY).findings
    assert "put it last" not in behind.message


def test_every_certificate_is_judged_by_itself() -> None:
    """Findings come in the order of the bundle, and the next look is the earliest of all."""
    found = said(NEVER_MIND.pem + ROOT.pem + ca("young", start=END + DAY).pem, END - DAY)
    assert found.reasons == ["CACertificateExpiring", "CACertificateNotYetValid"]
    assert found.recheck_at == END


def test_how_early_to_warn_is_a_setting() -> None:
    """It may be nothing at all, or longer than time itself."""
    assert said(ROOT.pem, END - timedelta(seconds=1), timedelta(0)) == ((), END)
    assert said(ROOT.pem, START, timedelta.max).reasons == ["CACertificateExpiring"]


def test_the_moment_may_be_in_any_time_zone() -> None:
    """What counts is the moment, not how it is written."""
    tokyo = timezone(timedelta(hours=9))
    assert said(ROOT.pem, END.astimezone(tokyo)).reasons == ["CACertificateExpired"]


def crl(start: datetime, end: datetime) -> bytes:
    """Return the root's CRL for a time."""
    return NEVER_MIND.crl(start=start, end=end)


def test_a_crls_life_is_told_stage_by_stage() -> None:
    """Like a certificate's; but a CRL of a week that warned for a month would always warn: half its life is enough."""
    text = NEVER_MIND.pem + crl(START, START + 7 * DAY)
    stages = []
    moment: datetime | None = START - DAY
    while moment is not None and moment < START + 100 * DAY:
        found = said(text, moment)
        stages.append((moment, found.reasons))
        moment = found.recheck_at
    assert stages == [
        (START - DAY, ["CRLNotYetValid"]),
        (START, []),
        (START + 3.5 * DAY, ["CRLExpiring"]),
        (START + 7 * DAY, ["CRLExpired"]),
    ]


def test_a_crl_of_a_year_warns_as_early_as_a_certificate() -> None:
    """Half its life is more than the setting."""
    found = said(NEVER_MIND.pem + crl(START, END), START)
    assert found == ((), END - MONTH)


def test_an_expired_crl_says_that_envoy_refuses_everything() -> None:
    """The text names place, CA, date, what Envoy says, and the remedy."""
    ((finding,), _) = said(NEVER_MIND.pem + crl(START, END), END)
    line = len(NEVER_MIND.pem.splitlines()) + 1
    assert (finding.level, finding.condition) == ("warning", "ResolvedRefs")
    assert finding.message == (
        f"ca.crt block 2 (line {line}): the CRL of CN=other expired at 2027-01-01T00:00:00Z; Envoy refuses every "
        "certificate that chains to that CA until it is renewed (CRL_has_expired); put that CA's newest CRL into the bundle"
    )


@pytest.mark.parametrize("newest_first", [True, False])
def test_one_crl_in_force_is_enough(newest_first: bool) -> None:
    """An old CRL beside the current one is no trouble, and neither is the next."""
    crls = [crl(START - 30 * DAY, START), crl(START, END), crl(END - MONTH, END + 100 * DAY)]
    text = NEVER_MIND.pem + b"".join(reversed(crls) if newest_first else crls)
    assert said(text, START + DAY).reasons == []
    assert said(text, END + DAY).reasons == []
    assert said(text, END + 200 * DAY).reasons == ["CRLExpired"]


def test_the_crls_of_two_cas_are_two_matters() -> None:
    """One CA's good CRL does not excuse another's expired one."""
    text = ROOT.pem + NEVER_MIND.pem + ROOT.crl(start=START, end=START + DAY) + crl(START, END)
    ((finding,), _) = said(text, START + 2 * DAY)
    assert finding.reason == "CRLExpired"
    assert "the CRL of CN=root" in finding.message


def ends(text: bytes, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return when the first certificate and the first CRL of a bundle end."""
    bundle = parse_bundle(text)
    return first_ends(bundle.certificates, bundle.crls, now)


def test_the_first_certificate_to_end_counts() -> None:
    """A successor that stands beside it does not, as no finding ends with it either."""
    successor = ca("root", start=START, end=END + 1000 * DAY)
    assert ends(successor.pem + ROOT.pem + NEVER_MIND.pem, START + DAY) == (END, None)


def test_the_last_crl_of_a_ca_counts_and_of_cas_the_first() -> None:
    """A CA has one in force until the last of its CRLs ends; one that does not reach yet is none. The first CA without is the end."""
    own = NEVER_MIND.pem + crl(START - 30 * DAY, START) + crl(START, END) + crl(END - MONTH, END + 100 * DAY)
    assert ends(own, START + DAY)[1] == END
    assert ends(own, END - DAY)[1] == END + 100 * DAY
    both = ROOT.pem + own + ROOT.crl(start=START, end=START + DAY)
    assert ends(both, START)[1] == START + DAY


def test_what_has_ended_says_when() -> None:
    """What is over stays told, as it goes on to refuse."""
    assert ends(ROOT.pem + ROOT.crl(start=START, end=START + DAY), END + DAY) == (END, START + DAY)


def test_notes_come_before_what_depends_on_the_time() -> None:
    """What holds at any time is said first, and as a finding of the references."""
    found = said(NEVER_MIND.key_pem + ROOT.pem, END)
    assert found.reasons == ["PrivateKeyInCABundle", "CACertificateExpired"]
    assert {finding.condition for finding in found.findings} == {"ResolvedRefs"}
