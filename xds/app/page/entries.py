"""What the status page shows of one LoadBalancer, one Envoy and one NACK, in the words of `explain` and `status`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from kube.objects import Condition, ObjectRef
from xds.admin.debug import STATUS
from xds.app.inspect.explanation import TLS_STYLES, expiry
from xds.app.inspect.status import WORDS, since
from xds.app.page.index import Line
from xds.messages import debug_pb2 as pb
from xds.protocol import Envoy, Refusal
from xds.snapshot.types import short
from xds.translate import Translation, conditions

TONES: Final[Mapping[str, str]] = {
    "green": "good",
    "yellow": "warn",
    "red": "bad",
    "dim": "dim",
    "bold": "strong",
}
"""The command line's colours, as classes of the page's style sheet; the words say the same without."""

MEANINGS: Final[Mapping[str, str]] = {
    "verify": "encrypted, and the certificate has to chain to the CA",
    "insecure": "encrypted, not verified",
    "fail-closed": "refused: no byte passes",
    "plain": "not encrypted: TCP as it comes",
    "none (UDP)": "UDP, not encrypted",
    "not served": "nothing of it ever was valid",
}

MOST_ENVOYS: Final = 20
"""Envoys that are asked how they stand to each LoadBalancer of a page: it is asked about three resources of a hundred."""


class Word(NamedTuple):
    """A word, and how good it is."""

    text: str
    tone: str


class LoadBalancerEntry(NamedTuple):
    """One LoadBalancer; ``envoys`` is the worst of what its tenant's Envoys made of it, ``synced`` of ``asked`` have all of it."""

    line: Line
    tls: Word
    details: Sequence[str]
    ends: Word | None
    crl_ends: Word | None
    ports: Sequence[str]
    conditions: Sequence[Condition]
    envoys: Word | None
    synced: int
    asked: int
    connected: int


class TypeEntry(NamedTuple):
    """How one Envoy stands to one type."""

    status: Word
    synced: int
    resources: int
    since: Timestamp | None
    what: str


class EnvoyEntry(NamedTuple):
    """One Envoy, and by type how it stands to that."""

    envoy: pb.Envoy
    types: Mapping[str, TypeEntry]


class NackEntry(NamedTuple):
    """One resource that one Envoy refused, and the LoadBalancer that it was made from, if that is known."""

    refusal: Refusal
    peer: str
    type: str
    loadbalancer: ObjectRef | None

    @property
    def text(self) -> str:
        """What is searched, in lower case."""
        refusal = self.refusal
        return f"{refusal.tenant} {refusal.node} {self.type} {refusal.name} {refusal.text}".casefold()


def loadbalancer_entry(
    line: Line, translation: Translation | None, generation: int, envoys: Sequence[Envoy], now: datetime
) -> LoadBalancerEntry:
    """Return what is shown of a LoadBalancer whose tenant has these Envoys."""
    looked_at = envoys[:MOST_ENVOYS]
    statuses = (
        [_status(envoy, translation) for envoy in looked_at] if translation and translation.resources else []
    )
    return LoadBalancerEntry(
        line=line,
        tls=Word(
            line.tls, TONES.get(TLS_STYLES.get(line.tls, ""), "bad" if line.tls == "not served" else "")
        ),
        details=tuple(dict.fromkeys(port.detail for port in translation.ports if port.detail))
        if translation
        else (),
        ends=_ends(line.ends, now),
        crl_ends=_ends(translation.crl_expires if translation else None, now),
        ports=tuple(
            f"{port.listener_port} {port.protocol}" for port in translation.ports if port.listener_port
        )
        if translation
        else (),
        conditions=conditions(translation.findings, generation) if translation else (),
        envoys=_word(max(statuses)) if statuses else None,
        synced=statuses.count(pb.STATUS_SYNCED),
        asked=len(statuses),
        connected=len(envoys),
    )


def is_good(condition: Condition) -> bool:
    """Whether a condition says that nothing was found: warnings leave it True, and stand in its text."""
    return condition.status == "True" and condition.reason == condition.type and not condition.message


def _status(envoy: Envoy, translation: Translation) -> pb.Status:
    """Return the worst of what an Envoy made of a LoadBalancer's resources, as `explain` does."""
    return max(STATUS[envoy.standing(each.type_url, each.name)] for each in translation.resources)


def _ends(end: datetime | None, now: datetime) -> Word | None:
    return None if end is None else _toned(expiry(end, now))


def _toned(text: Text) -> Word:
    return Word(text.plain, TONES.get(str(text.style), ""))


def _word(status: pb.Status) -> Word:
    word, style = WORDS[status]
    return Word(word, TONES[style])


def envoy_entry(envoy: pb.Envoy) -> EnvoyEntry:
    """Return what is shown of an Envoy."""
    return EnvoyEntry(envoy, {each.type_url: _type_entry(each) for each in envoy.types})


def _type_entry(of_type: pb.TypeStatus) -> TypeEntry:
    what, moment = since(of_type)
    return TypeEntry(_word(of_type.status), of_type.synced, of_type.resources, moment, what)


def nack_entry(refusal: Refusal, peer: str, loadbalancer: ObjectRef | None) -> NackEntry:
    """Return what is shown of a NACK."""
    return NackEntry(refusal, peer.removeprefix("ipv4:"), short(refusal.type_url), loadbalancer)


def pieces(lines: Iterable[Text]) -> list[list[Word]]:
    """Return the command line's lines, each as words of one tone."""
    return [list(_pieces(line)) for line in lines]


def _pieces(line: Text) -> Iterator[Word]:
    bounds = {0, len(line.plain), *(span.start for span in line.spans), *(span.end for span in line.spans)}
    for start, end in pairwise(sorted(bounds)):
        style = next(
            (span.style for span in line.spans if span.start <= start and end <= span.end and span.style),
            line.style,
        )
        yield Word(line.plain[start:end], TONES.get(str(style), ""))
