"""What a CA bundle's dates mean at a moment: expired, not valid yet, or running out.

Envoy checks the dates of every certificate of a chain, the trusted one included, and those of CRLs. It counts
as expired from the very second of the end on (X509_cmp_time_posix), and so does this. No clock here: the
moment is given, and the next one at which there may be something else to say is returned.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from kube.objects.reasons import Reason
from xds.translate.certificates import CaCertificate, CaRevocationList
from xds.translate.der import Name
from xds.translate.findings import CA_CERTIFICATE_EXPIRING, RESOLVED_REFS, Finding

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def expiry_findings(
    certificates: Sequence[CaCertificate],
    crls: Sequence[CaRevocationList],
    now: datetime,
    warn_within: timedelta,
) -> tuple[tuple[Finding, ...], datetime | None]:
    """Return what is to say about dates at `now`, and the next moment at which that may change (None: never)."""
    first_valid: dict[Name, int] = {}
    for index, item in enumerate(certificates):
        if item.not_before <= now < item.not_after:
            first_valid.setdefault(item.names.subject, index)
    findings = [
        finding
        for index, item in enumerate(certificates)
        if (
            finding := _certificate_finding(
                item, now, warn_within, hides_valid=index < first_valid.get(item.names.subject, index)
            )
        )
    ]
    findings.extend(
        finding for group in _by_issuer(crls) if (finding := _crl_finding(group, now, warn_within))
    )
    ahead = [moment for moment in _moments(certificates, crls, warn_within) if now < moment < _NEVER]
    return tuple(findings), min(ahead, default=None)


def first_ends(
    certificates: Sequence[CaCertificate], crls: Sequence[CaRevocationList], now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return when the first certificate ends, and when the first CA is left without a CRL in force; None: never, or there is none.

    It is what the findings warn of, at the same `now`.
    """
    crl_ends = (_end(_decisive(group, now)) for group in _by_issuer(crls))
    return (
        min((item.not_after for item in certificates), default=None),
        min((end for end in crl_ends if end < _NEVER), default=None),
    )


def _certificate_finding(
    item: CaCertificate, now: datetime, warn_within: timedelta, *, hides_valid: bool
) -> Finding | None:
    """Judge one certificate. `hides_valid`: a valid one of the same name stands behind it, and Envoy uses the first."""
    if item.not_after <= now:
        remedy = (
            ", even though a valid one of the same name stands behind it, since Envoy uses the first; remove it"
            if hides_valid
            else "; replace it with its successor"
        )
        return _warning(
            "CACertificateExpired",
            f"{item.where}: {item.subject} expired at {_at(item.not_after)}; Envoy refuses every certificate that "
            f"chains to it (certificate_has_expired){remedy}",
        )
    if now < item.not_before:
        remedy = (
            ", even though a valid one of the same name stands behind it, since Envoy uses the first; put it last"
            if hides_valid
            else "; keep its predecessor in the bundle, before it"
        )
        return _warning(
            "CACertificateNotYetValid",
            f"{item.where}: {item.subject} is not valid before {_at(item.not_before)}; until then Envoy refuses every "
            f"certificate that chains to it (certificate_is_not_yet_valid){remedy}",
        )
    if _before(item.not_after, warn_within) <= now:
        return _expiring(
            "CACertificateExpiring",
            f"{item.where}: {item.subject} expires at {_at(item.not_after)}; from then on Envoy refuses every "
            "certificate that chains to it; replace it with its successor before that",
        )
    return None


def _crl_finding(group: Sequence[CaRevocationList], now: datetime, warn_within: timedelta) -> Finding | None:
    """Judge the CRLs of one issuer: one that is in force is enough, whatever stands beside it."""
    crl = _decisive(group, now)
    if crl.last_update <= now < _end(crl):
        if _before(_end(crl), _lead(crl, warn_within)) > now:
            return None
        return _expiring(
            "CRLExpiring",
            f"{crl.where}: the CRL of {crl.issuer} expires at {_at(_end(crl))}; from then on Envoy refuses every "
            "certificate that chains to that CA; put its next CRL into the bundle before",
        )
    if now < crl.last_update:
        return _warning(
            "CRLNotYetValid",
            f"{crl.where}: the CRL of {crl.issuer} is not valid before {_at(crl.last_update)}; until then Envoy refuses "
            "every certificate that chains to that CA (CRL_is_not_yet_valid)",
        )
    return _warning(
        "CRLExpired",
        f"{crl.where}: the CRL of {crl.issuer} expired at {_at(_end(crl))}; Envoy refuses every certificate that chains "
        "to that CA until it is renewed (CRL_has_expired); put that CA's newest CRL into the bundle",
    )


def _by_issuer(crls: Sequence[CaRevocationList]) -> Iterable[list[CaRevocationList]]:
    groups: defaultdict[Name, list[CaRevocationList]] = defaultdict(list)
    for crl in crls:
        groups[crl.issuer_name].append(crl)
    return groups.values()


def _decisive(group: Sequence[CaRevocationList], now: datetime) -> CaRevocationList:
    """Return the CRL of one issuer that ends last of those in force, or the newest where none is."""
    in_force = [crl for crl in group if crl.last_update <= now < _end(crl)]
    return max(in_force, key=_end) if in_force else max(group, key=lambda crl: crl.last_update)


def _moments(
    certificates: Sequence[CaCertificate], crls: Sequence[CaRevocationList], warn_within: timedelta
) -> Iterator[datetime]:
    for item in certificates:
        yield from (item.not_before, _before(item.not_after, warn_within), item.not_after)
    for crl in crls:
        yield from (crl.last_update, _before(_end(crl), _lead(crl, warn_within)), _end(crl))


def _lead(crl: CaRevocationList, warn_within: timedelta) -> timedelta:
    """Return how long before its end to warn. A CRL lives for days only: to warn for all of them says nothing."""
    return min(warn_within, (_end(crl) - crl.last_update) / 2)


def _end(crl: CaRevocationList) -> datetime:
    return crl.next_update or _NEVER


def _before(end: datetime, lead: timedelta) -> datetime:
    return end - lead if lead < end - _ALWAYS else _ALWAYS


def _at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _warning(reason: Reason, message: str) -> Finding:
    return Finding("warning", RESOLVED_REFS, reason, message)


def _expiring(reason: Reason, message: str) -> Finding:
    return Finding("warning", CA_CERTIFICATE_EXPIRING, reason, message)
