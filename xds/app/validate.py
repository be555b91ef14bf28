"""What `serve` would make of some folders, found out without serving: the same source, store and translation.

It gives values, and their form in JSON; how they look on a terminal is not known here. Nothing is watched, nothing listens,
and the time is passed in.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from kube.informer.store import Store
from kube.objects import Condition, InvalidObject, LoadBalancer, ObjectRef
from kube.sources.manifests import ManifestSource
from kube.sources.problems import Problem
from xds.app.errors import UserError
from xds.app.lookups import StoreLookups
from xds.translate import Finding, Options, PortSummary, PortTable, Translation, conditions, translate
from xds.translate.ca import CaCertificate


@dataclass(frozen=True, slots=True)
class CheckedLoadBalancer:
    """One LoadBalancer, and what became of it. `ca` is what its backends are verified against."""

    ref: ObjectRef
    ports: tuple[PortSummary, ...]
    conditions: tuple[Condition, ...]
    findings: tuple[Finding, ...]
    ca: tuple[CaCertificate, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it; a warning is nothing wrong."""
        return all(finding.level != "error" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found, each part in the order of its names.

    `invalid` are objects that cannot be used, `problems` what is wrong with files: neither is served.
    """

    loadbalancers: tuple[CheckedLoadBalancer, ...]
    invalid: tuple[InvalidObject, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is served as it is written."""
        return not self.invalid and not self.problems and all(lb.ok for lb in self.loadbalancers)

    def count(self, level: str) -> int:
        """Return how many findings have this level; what is wrong with objects and files counts as `error`."""
        found = sum(finding.level == level for lb in self.loadbalancers for finding in lb.findings)
        return found + (len(self.invalid) + len(self.problems) if level == "error" else 0)

    def as_json(self) -> dict[str, Any]:
        """Return the report as data for `json.dumps`.

        The shape is stable: later versions may add fields, and take none away nor give one another meaning. Names are as
        in Kubernetes, times RFC 3339 in UTC::

            {"ok": bool,
             "loadBalancers": [{"namespace", "name", "ok": bool,
                 "ports": [{"resource", "group", "protocol", "endpointPort", "listenerPort": number or null,
                            "tls": "plain"|"insecure"|"verify"|"fail-closed"|"none (UDP)", "detail",
                            "endpoints": number, "discovery": "EDS"|"STRICT_DNS"}],
                 "caCertificates": [{"subject", "issuer", "notBefore", "notAfter", "sha256"}],
                 "conditions": [{"type", "status", "reason", "message"}],
                 "findings": [{"level": "error"|"warning", "condition", "reason", "message", "path"}]}],
             "invalid": [{"kind", "namespace", "name", "faults": [{"path", "value", "allowed"}]}],
             "problems": [{"path", "line": number or null, "reason"}]}
        """
        return {
            "ok": self.ok,
            "loadBalancers": [_loadbalancer(lb) for lb in self.loadbalancers],
            "invalid": [
                {**error.ref._asdict(), "faults": [fault._asdict() for fault in error.faults]}
                for error in self.invalid
            ],
            "problems": [problem._asdict() for problem in self.problems],
        }


def validate(folders: Sequence[Path], *, options: Options, now: datetime) -> Report:
    """Read some folders once and translate every LoadBalancer in them. Raises UserError for a folder that is none."""
    read = Folders(folders)
    return Report(
        loadbalancers=tuple(_check(lb, read, options=options, now=now) for lb in read.loadbalancers),
        invalid=tuple(error for _, error in sorted(read.store.invalid.items())),
        problems=read.problems,
    )


class Folders:
    """Some folders as they were when they were read, once, and what their LoadBalancers become."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Read them. Raises UserError for a folder that is none."""
        # Nobody asks the store who names what: the whole of it is read once.
        self.store = Store(references=lambda _: ())
        source = ManifestSource(folders, self.store)
        try:
            source.load()
        except OSError as error:
            raise UserError(str(error)) from None
        self.problems = source.problems
        self.lookups = StoreLookups(self.store)
        self.loadbalancers = sorted(
            (cast("LoadBalancer", stored) for stored in self.store.of_kind("LoadBalancer")),
            key=lambda lb: lb.ref,
        )
        self._tables: dict[str, PortTable] = {}
        for lb in self.loadbalancers:
            self._tables.setdefault(lb.metadata.namespace, PortTable()).update(lb.metadata.name, lb)

    def translate(self, lb: LoadBalancer, *, options: Options, now: datetime) -> Translation:
        """Return what one of their LoadBalancers becomes."""
        ports = self._tables[lb.metadata.namespace].ports_of(lb.metadata.name)
        return translate(lb, lookups=self.lookups, ports=ports, options=options, now=now)


def _check(lb: LoadBalancer, read: Folders, *, options: Options, now: datetime) -> CheckedLoadBalancer:
    translation = read.translate(lb, options=options, now=now)
    return CheckedLoadBalancer(
        ref=lb.ref,
        ports=translation.ports,
        conditions=conditions(translation.findings, lb.metadata.generation),
        findings=translation.findings,
        ca=_ca(lb, translation.ports, read.lookups),
    )


def _ca(lb: LoadBalancer, ports: tuple[PortSummary, ...], lookups: StoreLookups) -> tuple[CaCertificate, ...]:
    """Return the certificates that the backends are verified against; none where nothing is verified."""
    if all(port.tls != "verify" for port in ports):
        return ()
    refs = (ref for ref in lb.references if ref.kind == "Secret")
    secrets = (lookups.secret(ref.namespace, ref.name) for ref in refs)
    return tuple(
        certificate for secret in secrets if secret for certificate in lookups.ca_bundle(secret).certificates
    )


def _loadbalancer(lb: CheckedLoadBalancer) -> dict[str, Any]:
    return {
        "namespace": lb.ref.namespace,
        "name": lb.ref.name,
        "ok": lb.ok,
        "ports": [
            {
                "resource": port.resource,
                "group": port.group,
                "protocol": port.protocol,
                "endpointPort": port.endpoint_port,
                "listenerPort": port.listener_port,
                "tls": port.tls,
                "detail": port.detail,
                "endpoints": port.endpoints,
                "discovery": port.discovery,
            }
            for port in lb.ports
        ],
        "caCertificates": [
            {
                "subject": certificate.subject,
                "issuer": certificate.issuer,
                "notBefore": _rfc3339(certificate.not_before),
                "notAfter": _rfc3339(certificate.not_after),
                "sha256": certificate.sha256,
            }
            for certificate in lb.ca
        ],
        "conditions": [
            {"type": each.type, "status": each.status, "reason": each.reason, "message": each.message}
            for each in lb.conditions
        ],
        "findings": [asdict(finding) for finding in lb.findings],
    }


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
