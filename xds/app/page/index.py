"""What the status page lists and searches: a line for each LoadBalancer, brought up to date when somebody looks.

While nobody looks, a change costs its name in a set. A look costs what has changed since the last one, and a search one pass over
the lines. It knows neither Envoys nor how lines look.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple, cast

from kube.informer.store import Store
from kube.objects import LoadBalancer, ObjectRef
from xds.translate import Translation
from xds.translate.findings import CA_CERTIFICATE_EXPIRING

Problem = Literal["", "warning", "error"]

NOT_SERVED: Final = "not served"
"""In place of a TLS outcome: nothing of it ever was valid."""

_SLICE: Final = 200
"""Lines after which the streams get their turn: some milliseconds."""
_ENDED: Final = frozenset({"CACertificateExpired", "CRLExpired"})


class Line(NamedTuple):
    """One LoadBalancer.

    ``tls`` is what protects its TCP ports, as `PortSummary` says it; ``problem`` the worst that was found about it; ``ends`` is when the
    first certificate of its CA bundle does, and ``ending`` whether one there or a CRL is warned about or has ended. ``text`` is
    what is searched, in lower case.
    """

    ref: ObjectRef
    policy: str
    tls: str
    problem: Problem
    ends: datetime | None
    ending: bool
    text: str


class Index:
    """The lines of all LoadBalancers. Belongs to one event loop."""

    def __init__(self, store: Store, translations: Mapping[ObjectRef, Translation]) -> None:
        self._store = store
        self._translations = translations
        self._dirty: set[ObjectRef] = {*translations}
        self._lines: dict[ObjectRef, Line] = {}
        self._resources: dict[tuple[str, str], ObjectRef] = {}
        self._names: dict[ObjectRef, tuple[str, ...]] = {}
        self._invalid: frozenset[ObjectRef] = frozenset()
        self._order: list[ObjectRef] = []
        self._sorted = True
        #: How many LoadBalancers have which TLS outcome and which problem, and those of each tenant with which problem.
        self.outcomes: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.tenants: dict[str, Counter[str]] = {}

    def mark(self, refs: Iterable[ObjectRef]) -> None:
        """Take note of LoadBalancers that are other ones, or gone."""
        self._dirty.update(refs)

    async def lines(self) -> Sequence[Line]:
        """Return every line as it is now, by namespace and name."""
        invalid = frozenset(ref for ref in self._store.invalid if ref.kind == LoadBalancer.KIND)
        self._dirty.update(invalid ^ self._invalid)
        self._invalid = invalid
        done = 0
        while self._dirty:
            self._bring_up_to_date(self._dirty.pop())
            done += 1
            if done % _SLICE == 0:
                await asyncio.sleep(0)
        if not self._sorted:
            # Nearly sorted already, which costs next to nothing.
            self._order = sorted(ref for ref in dict.fromkeys(self._order) if ref in self._lines)
            self._sorted = True
        lines = self._lines
        return [lines[ref] for ref in self._order]

    def of_resource(self, tenant: str, name: str) -> ObjectRef | None:
        """Return the LoadBalancer that a resource was made from, as far as `lines` has looked."""
        return self._resources.get((tenant, name))

    def _bring_up_to_date(self, ref: ObjectRef) -> None:
        old = self._lines.pop(ref, None)
        if old is not None:
            self._count(old, -1)
        self._name_resources(ref)
        new = self._line(ref)
        if new is None:
            self._sorted = False
            return
        self._lines[ref] = new
        self._count(new, 1)
        if old is None:
            self._order.append(ref)
            self._sorted = False

    def _name_resources(self, ref: ObjectRef) -> None:
        for name in self._names.pop(ref, ()):
            self._resources.pop((ref.namespace, name), None)
        translation = self._translations.get(ref)
        names = tuple(port.resource for port in translation.ports) if translation else ()
        if names:
            self._names[ref] = names
            self._resources.update(((ref.namespace, name), ref) for name in names)

    def _count(self, line: Line, by: int) -> None:
        tenant = line.ref.namespace
        of_tenant = self.tenants.setdefault(tenant, Counter())
        for counter, key in (
            (self.outcomes, line.tls),
            (self.problems, line.problem),
            (of_tenant, line.problem),
        ):
            counter[key] += by
            if not counter[key]:
                del counter[key]
        if not of_tenant:
            del self.tenants[tenant]

    def _line(self, ref: ObjectRef) -> Line | None:
        lb = cast("LoadBalancer | None", self._store.get(ref))
        translation = self._translations.get(ref)
        if lb is None or translation is None:
            return _invalid(ref) if ref in self._invalid else None
        findings = translation.findings
        settings = lb.spec.upstream_tls
        policy = settings.policy if settings else ""
        tls = next(
            (port.tls for port in translation.ports if port.protocol == "TCP"),
            translation.ports[0].tls if translation.ports else NOT_SERVED,
        )
        levels = {finding.level for finding in findings}
        problem: Problem = (
            "error" if "error" in levels or ref in self._invalid else "warning" if levels else ""
        )
        secret = settings.ca_secret_ref.name if settings and settings.ca_secret_ref else ""
        reasons = (finding.reason for finding in findings)
        ports = (str(port.listener_port) for port in translation.ports if port.listener_port)
        words = (f"{ref.namespace}/{ref.name}", policy, tls, secret, *reasons, *ports)
        return Line(
            ref,
            policy,
            tls,
            problem,
            translation.ca_expires,
            any(each.condition == CA_CERTIFICATE_EXPIRING or each.reason in _ENDED for each in findings),
            " ".join(words).casefold(),
        )


def _invalid(ref: ObjectRef) -> Line:
    text = f"{ref.namespace}/{ref.name} {NOT_SERVED}".casefold()
    return Line(ref, "", NOT_SERVED, "error", None, ending=False, text=text)
