"""Does what is to be done for one Service, step by step, until nothing is left but waiting for others.

Each step is decided on what is known then (`steps`), and what a write answers is known at once. Whatever fails is raised: the
queue repeats it. Does not know when it is called, nor for what.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from kube.ccm.cache import Cache
from kube.ccm.copies import Copy, reader
from kube.ccm.findings import Finding
from kube.ccm.names import MANAGER, ORIGIN_NAME, ORIGIN_NAMESPACE, Tenant
from kube.ccm.nodes import NodeAddressType, addresses_of
from kube.ccm.statuses import events
from kube.ccm.steps import Plan, Step, plan
from kube.ccm.view import Key, View
from kube.ccm.wanted import Wanted, differences, is_of_use, judge, wanted_addresses, without_foreign
from kube.client import APPLY, MERGE_PATCH, ApiError, KubeApi, Unreachable
from kube.coordination.events import Events
from kube.coordination.finalizer import Finalizer
from kube.informer.reflector import Resource
from kube.objects import Addresses, LoadBalancer
from kube.objects.service import Service, read_service

GROUP: Final = "/apis/kubelb.k8c.io/v1alpha1"
SERVICE: Final = "/api/v1/namespaces/{}/services/{}"
COPIES: Final = {
    LoadBalancer.KIND: Resource(LoadBalancer.KIND, GROUP, "loadbalancers", reader(LoadBalancer.KIND)),
    Addresses.KIND: Resource(Addresses.KIND, GROUP, "addresses", reader(Addresses.KIND)),
}
"""What is written into the management cluster, by kind."""

NOT_TAKEN: Final = "RefusedByManagementCluster"
"""Reason of a finding: the management cluster's API server does not take the LoadBalancer."""

_IDLE: Final = frozenset({Step.NOTHING, Step.WAIT})
_STEPS: Final = 8
"""More than any Service needs; whoever needs more fights with somebody."""
_FINAL: Final = frozenset({400, 403, 404, 422})
"""Refusals that the same request meets again."""
_NOT_FOUND: Final = 404
_AS_US: Final = {"fieldManager": MANAGER}
_FORCED: Final = {**_AS_US, "force": "true"}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.ccm")


class Reconciler:
    """What is done for a Service, and for the nodes. `services`, `loadbalancers` and `addresses` hear what was written.

    `interrupted` says why the management cluster is out of reach, "" when it is not. Every method that is awaited raises
    ApiError and Unreachable.
    """

    def __init__(
        self,
        tenant_api: KubeApi,
        management_api: KubeApi,
        view: View,
        *,
        tenant: Tenant,
        by_class: bool,
        node_address_type: NodeAddressType,
        services: Cache,
        loadbalancers: Cache,
        addresses: Cache,
        told: Events,
        interrupted: Callable[[], str],
    ) -> None:
        self._tenant_api = tenant_api
        self._management_api = management_api
        self._view = view
        self._tenant = tenant
        self._by_class = by_class
        self._node_address_type = node_address_type
        self._services = services
        self._caches = {LoadBalancer.KIND: loadbalancers, Addresses.KIND: addresses}
        self._events = told
        self._interrupted = interrupted
        self._finalizer = Finalizer(tenant_api, kind=Service.KIND, path=SERVICE, manager=MANAGER)
        # Why the management cluster did not take a LoadBalancer, by uid.
        self._refusals: dict[str, Finding] = {}

    def is_idle(self, key: Key) -> bool:
        """Return whether there is nothing to do for a key now."""
        if key == Key.NODES:
            wanted = self._wanted_addresses()
            return wanted is None or not _differs(wanted, self._view.addresses)
        return self._plan(key.uid).step in _IDLE

    def forget(self, key: Key) -> None:
        """Remember nothing of a Service that is gone."""
        if self._view.service(key.uid) is None:
            self._refusals.pop(key.uid, None)

    async def reconcile(self, key: Key) -> None:
        """Do what is to be done."""
        if key == Key.NODES:
            wanted = self._wanted_addresses()
            if wanted is not None and _differs(wanted, self._view.addresses):
                await self._apply(wanted)
            return
        for _ in range(_STEPS):
            planned = self._plan(key.uid)
            if planned.step in _IDLE or not await self._do(key.uid, planned):
                return
        log.warning("somebody else keeps writing the same objects", object=str(key))

    def _plan(self, uid: str) -> Plan:
        return plan(
            self._view.service(uid),
            self._view.copy(uid),
            tenant=self._tenant,
            cluster=self._view.cluster,
            by_class=self._by_class,
            now=datetime.now(UTC),
            refusal=self._refusals.get(uid),
        )

    def _wanted_addresses(self) -> Wanted | None:
        """Return the Addresses object as it is to be, None where no node is left: then the last list stays."""
        found = addresses_of(self._view.nodes, self._node_address_type)
        return wanted_addresses(found, self._tenant) if found else None

    async def _do(self, uid: str, planned: Plan) -> bool:
        """Do one step; return whether another one may follow now."""
        service = self._view.service(uid)
        if service is None:
            copy = self._view.copy(uid)
            if copy is not None:
                await self._delete_orphan(copy)
            return False
        match planned.step:
            case Step.GUARD:
                return await self._guard(service)
            case Step.APPLY:
                return await self._apply_for(service, planned)
            case Step.TELL:
                return await self._tell(service, planned)
            case _:
                return await self._delete(service)

    # In the management cluster

    async def _apply_for(self, service: Service, planned: Plan) -> bool:
        """Apply a Service's LoadBalancer, and remember why that is refused."""
        wanted = planned.judged.wanted
        assert wanted is not None  # noqa: S101 — the step's condition
        uid = service.metadata.uid
        metadata: dict[str, str] = {}
        if planned.judged.keeps_tls:
            # On what there is now, not on what is known: what was written last may have been TLS.
            copy = await self._fresh(uid)
            judged = judge(service, copy, self._tenant, self._view.cluster)
            if copy is None or judged.wanted is None or not differences(judged.wanted, copy):
                return True
            wanted = judged.wanted
            metadata = {"uid": copy.metadata.uid, "resourceVersion": copy.metadata.resource_version}
        try:
            settled = await self._apply(wanted, **metadata)
        except ApiError as error:
            if error.status in _FINAL:
                await self._refused(service, error)
            raise
        self._refusals.pop(uid, None)
        return settled

    async def _apply(self, wanted: Wanted, **metadata: str) -> bool:
        """Apply an object, and remove what others set where only this program may; return whether it is as it is to be."""
        resource = COPIES[wanted.kind]
        path = f"{resource.path(wanted.namespace)}/{wanted.name}"
        copy = await self._written(
            resource, path, wanted.document(**metadata), params=_FORCED, content_type=APPLY
        )
        foreign = without_foreign(wanted, copy)
        if foreign is not None:
            copy = await self._written(resource, path, foreign, params=_AS_US, content_type=MERGE_PATCH)
        left = differences(wanted, copy)
        if left:
            log.warning(
                "the management cluster has something else than was applied: a webhook?",
                object=str(copy.ref),
                fields=list(left),
            )
        return not left

    async def _written(self, resource: Resource, path: str, body: object, **how: Any) -> Copy:
        answer = await self._management_api.send("PATCH", path, body, **how)
        copy = reader(resource.kind)(answer)
        self._caches[resource.kind].assume(copy)
        origin = copy.metadata.labels
        log.info(
            "applied",
            object=str(copy.ref),
            service=f"{origin.get(ORIGIN_NAMESPACE, '')}/{origin.get(ORIGIN_NAME, '')}".strip("/"),
        )
        return copy

    async def _refused(self, service: Service, error: ApiError) -> None:
        """Tell the tenant what the management cluster does not take."""
        uid = service.metadata.uid
        name = f"{LoadBalancer.KIND} {self._tenant.namespace}/{uid}"
        text = f"the management cluster does not take {name}: {error}{_remedy(error, self._tenant)}"
        refusal = Finding(NOT_TAKEN, text)
        if self._refusals.get(uid) != refusal:
            self._refusals[uid] = refusal
            log.error("refused: it is tried again from time to time", object=str(service.ref), error=text)
        planned = self._plan(uid)
        if planned.step is Step.TELL:
            await self._tell(service, planned)

    async def _fresh(self, uid: str) -> Copy | None:
        """Return a LoadBalancer as it is now."""
        resource = COPIES[LoadBalancer.KIND]
        try:
            answer = await self._management_api.get(f"{resource.path(self._tenant.namespace)}/{uid}")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            copy = self._view.copy(uid)
            if copy is not None:
                self._caches[LoadBalancer.KIND].discard(copy.ref)
            return None
        copy = reader(resource.kind)(answer)
        self._caches[resource.kind].assume(copy)
        return copy

    async def _delete(self, service: Service) -> bool:
        """Delete a Service's LoadBalancer, and release the Service if that is gone then.

        Whether it is gone is asked, and not known: it may have been created a moment ago.
        """
        uid = service.metadata.uid
        if not await self._is_gone(uid):
            return True
        await self._finalizer.remove(service.metadata)
        self._refusals.pop(uid, None)
        self._services.discard(service.ref)
        return False

    async def _is_gone(self, name: str, *, uid: str = "") -> bool:
        """Delete a LoadBalancer, if it has that `uid`; return whether it is gone, and not only about to go."""
        resource = COPIES[LoadBalancer.KIND]
        copy = self._view.copy(name)
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            answer = await self._management_api.send(
                "DELETE", f"{resource.path(self._tenant.namespace)}/{name}", body
            )
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        else:
            if msgspec.json.decode(answer, type=_Kind).kind != "Status":
                self._caches[resource.kind].assume(reader(resource.kind)(answer))
                return False
            log.info("deleted", object=f"{LoadBalancer.KIND} {self._tenant.namespace}/{name}")
        if copy is not None:
            self._caches[resource.kind].discard(copy.ref)
        return True

    async def _delete_orphan(self, copy: Copy) -> None:
        """Delete a LoadBalancer whose Service is gone, if it is: the informer may not have it yet."""
        labels = copy.metadata.labels
        if not labels.get(ORIGIN_NAMESPACE) or not labels.get(ORIGIN_NAME):
            return  # nobody can tell
        path = SERVICE.format(labels[ORIGIN_NAMESPACE], labels[ORIGIN_NAME])
        try:
            service = read_service(await self._tenant_api.get(path))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        else:
            if service.metadata.uid == copy.metadata.name and is_of_use(service, by_class=self._by_class):
                return
        log.warning("deleting a LoadBalancer whose Service is gone", object=str(copy.ref), service=path)
        await self._is_gone(copy.metadata.name, uid=copy.metadata.uid)

    # In the tenant's cluster

    async def _guard(self, service: Service) -> bool:
        """Add the finalizer; not while the management cluster is away, for then nobody could delete the Service."""
        if why := self._interrupted():
            raise Unreachable(why)
        metadata = await self._finalizer.add(service.metadata)
        if metadata is None:
            return False
        self._services.assume(msgspec.structs.replace(service, metadata=metadata))
        return True

    async def _tell(self, service: Service, planned: Plan) -> bool:
        """Write a Service's status, and Events of the conditions that changed."""
        assert planned.status is not None  # noqa: S101 — the step's condition
        metadata = service.metadata
        body = {
            "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version},
            "status": planned.status.status,
        }
        path = f"{SERVICE.format(metadata.namespace, metadata.name)}/status"
        answer = await self._tenant_api.send("PATCH", path, body, params=_AS_US)
        for told in events(service, planned.status, planned.findings):
            tell = self._events.warn if told.warning else self._events.tell
            tell(service.ref, metadata.uid, told.reason, told.message)
        written = read_service(answer)
        self._services.assume(written)
        if self._plan(metadata.uid).step is Step.TELL:
            log.warning("a Service's status is not what was written: a webhook?", object=str(service.ref))
            return False
        return True


class _Kind(msgspec.Struct):
    kind: str = ""


def _differs(wanted: Wanted, copy: Copy | None) -> bool:
    return copy is None or (not copy.ending and bool(differences(wanted, copy)))


def _remedy(error: ApiError, tenant: Tenant) -> str:
    if error.status == _NOT_FOUND:
        return (
            f": does namespace {tenant.namespace} exist there, and the CRD? --cluster-name is {tenant.name}"
        )
    if error.status == 403:  # noqa: PLR2004 — HTTP's
        return ": the role in deploy/ccm/management has what is needed"
    return ""
