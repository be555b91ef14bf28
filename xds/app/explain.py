"""One LoadBalancer explained: from its spec through its CA to the resources that it became, and what each Envoy made of them.

The answer is a message of the debug service, whoever asks: a control plane answers with what it serves, and the command line
makes the same of folders. Whoever translated, and how the answer looks, is not known here.
"""

from collections.abc import Iterable
from typing import Any, Final

import grpc

from kube.informer.store import Store
from kube.objects import Addresses, InvalidObject, LoadBalancer, ObjectRef, Secret
from xds.admin.debug import STATUS, resource_status
from xds.admin.rpc import CallError, handlers_of
from xds.app.lookups import StoreLookups
from xds.app.pipeline import Pipeline
from xds.messages import debug_pb2 as pb
from xds.protocol import Delivery, Envoy
from xds.snapshot import Resource, SnapshotCache
from xds.translate import PortSummary, Translation, conditions

SERVICE: Final = pb.DESCRIPTOR.services_by_name["LoadBalancerService"]


class LoadBalancers:
    """Answers the service about LoadBalancers from what a control plane holds. Belongs to its event loop."""

    def __init__(self, store: Store, pipeline: Pipeline, cache: SnapshotCache, delivery: Delivery) -> None:
        self._store = store
        self._pipeline = pipeline
        self._cache = cache
        self._delivery = delivery

    def register(self, server: Any) -> str:
        """Add the service to a gRPC server that has not started, and return its name."""
        server.add_generic_rpc_handlers((handlers_of(SERVICE, self),))
        return SERVICE.full_name

    async def explain(self, request: pb.ExplainRequest, _: Any) -> pb.Explanation:
        """Explain one LoadBalancer."""
        ref = ObjectRef(LoadBalancer.KIND, request.namespace, request.name)
        translation = self._pipeline.translations.get(ref)
        explanation = explain(self._store, ref, translation)
        if explanation is None:
            raise CallError(grpc.StatusCode.NOT_FOUND, not_found(self._store, ref))
        snapshot = self._cache.get(request.namespace)
        served: dict[tuple[str, str], Resource | None] = {}
        for resource in translation.resources if translation else ():
            resources = snapshot.get(resource.type_url) if snapshot else None
            served[resource.type_url, resource.name] = resources.get(resource.name) if resources else None
        for envoy in self._delivery.envoys(request.namespace):
            explanation.envoys.append(_standing(envoy, served))
        return explanation


def not_found(store: Store, ref: ObjectRef) -> str:
    """Return the words for a LoadBalancer that is not there: a namespace's others tell a misspelt name from a wrong place."""
    names = sorted(each.ref.name for each in store.of_kind(ref.kind) if each.ref.namespace == ref.namespace)
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004
        return f"namespace {ref.namespace} has no LoadBalancer {ref.name!r}: it has {shown}"
    return f"namespace {ref.namespace} has no LoadBalancer at all: write NAMESPACE/NAME as `kubectl get lb -A` shows them"


def explain(store: Store, ref: ObjectRef, translation: Translation | None) -> pb.Explanation | None:
    """Return what a LoadBalancer is and became, without its Envoys; None where the store has none of that name."""
    lb: Any = store.get(ref)
    invalid: InvalidObject | None = store.invalid.get(ref)
    if lb is None and invalid is None:
        return None
    explanation = pb.Explanation(
        namespace=ref.namespace,
        name=ref.name,
        invalid=[str(fault) for fault in invalid.faults] if invalid else [],
    )
    if lb is not None:
        lookups = StoreLookups(store)
        explanation.generation = lb.metadata.generation
        _add_tls(explanation.tls, lb, lookups)
        explanation.endpoints.extend(_endpoints(lb, lookups))
    if lb is not None and translation is not None:
        explanation.ports.extend(_port(port, translation.resources) for port in translation.ports)
        explanation.conditions.extend(
            pb.Explanation.Condition(
                type=each.type, status=each.status, reason=each.reason, message=each.message
            )
            for each in conditions(translation.findings, lb.metadata.generation)
        )
        explanation.findings.extend(
            pb.Explanation.Finding(
                level=each.level,
                condition=each.condition,
                reason=each.reason,
                message=each.message,
                path=each.path,
            )
            for each in translation.findings
        )
    return explanation


def _add_tls(tls: pb.Explanation.Tls, lb: LoadBalancer, lookups: StoreLookups) -> None:
    settings = lb.spec.upstream_tls
    if settings is None:
        return
    tls.policy = settings.policy
    if settings.ca_secret_ref is None:
        return
    tls.ca_secret = settings.ca_secret_ref.name
    secret: Secret | None = lookups.secret(lb.metadata.namespace, tls.ca_secret)
    tls.ca_secret_found = secret is not None
    if secret is None or secret.ca_crt is None:
        return
    bundle = lookups.ca_bundle(secret)
    for certificate in bundle.certificates:
        shown = tls.certificates.add(
            subject=certificate.subject, issuer=certificate.issuer, sha256=certificate.sha256
        )
        shown.not_before.FromDatetime(certificate.not_before)
        shown.not_after.FromDatetime(certificate.not_after)
    for crl in bundle.crls:
        listed = tls.revocation_lists.add(issuer=crl.issuer, revoked=len(crl.parsed))
        if crl.next_update is not None:
            listed.next_update.FromDatetime(crl.next_update)


def _endpoints(lb: LoadBalancer, lookups: StoreLookups) -> Iterable[pb.Explanation.Endpoints]:
    for group in lb.spec.endpoints:
        ref = group.addresses_reference
        found: Addresses | None = lookups.addresses(lb.metadata.namespace, ref.name) if ref else None
        addresses = group.addresses if ref is None else found.spec.addresses if found else ()
        yield pb.Explanation.Endpoints(
            addresses_reference=ref.name if ref else "",
            found=ref is None or found is not None,
            addresses=[address.ip or address.hostname for address in addresses],
        )


def _port(port: PortSummary, resources: Iterable[Resource]) -> pb.Explanation.Port:
    return pb.Explanation.Port(
        resource=port.resource,
        group=port.group,
        protocol=port.protocol,
        endpoint_port=port.endpoint_port,
        listener_port=port.listener_port or 0,
        tls=port.tls,
        detail=port.detail,
        endpoints=port.endpoints,
        discovery=port.discovery,
        served=[
            pb.Explanation.ServedVersion(type_url=resource.type_url, version=resource.version)
            for resource in resources
            if resource.name == port.resource
        ],
    )


def _standing(envoy: Envoy, served: dict[tuple[str, str], Resource | None]) -> pb.Explanation.EnvoyStanding:
    refusals = {(refusal.type_url, refusal.name): refusal for refusal in envoy.refusals}
    states = {key: envoy.resource(*key) for key in served}
    standing = pb.Explanation.EnvoyStanding(
        node=envoy.node,
        peer=envoy.peer,
        status=max((STATUS[state.standing] for state in states.values()), default=pb.STATUS_SYNCED),
        wants_listeners=envoy.wants_listeners,
        resources=[
            pb.Explanation.Resource(
                type_url=key[0], status=resource_status(states[key], resource, refusals.get(key))
            )
            for key, resource in served.items()
        ],
    )
    standing.connected_at.FromDatetime(envoy.since)
    return standing
