"""Both clusters as they stand, by the one word that they share: a Service's uid, which is its LoadBalancer's name.

Does not know what is to be done.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple, cast

import msgspec
from msgspec import Raw

from kube.ccm.copies import Copy
from kube.ccm.names import ADDRESSES, ORIGIN_NAME, ORIGIN_NAMESPACE, Tenant
from kube.ccm.nodes import Node
from kube.informer.store import Change, Store
from kube.objects import Addresses, LoadBalancer, ObjectMeta, ObjectRef
from kube.objects.service import Service
from kube.objects.structs import KubeStruct

HOME: Final = "kube-system"
"""The namespace whose uid tells clusters apart: every cluster has one, and it is never deleted."""


class Home(NamedTuple):
    """The namespace kube-system of the tenant's cluster."""

    ref: ObjectRef
    uid: str


class _Named(KubeStruct, frozen=True):
    metadata: ObjectMeta


_NAMED: Final = msgspec.json.Decoder(_Named)


def read_home(document: bytes | Raw) -> Home:
    """Return a namespace; raise msgspec.DecodeError."""
    metadata = _NAMED.decode(document).metadata
    return Home(ObjectRef("Namespace", "", metadata.name), metadata.uid)


@dataclass(frozen=True, slots=True)
class Key:
    """What is reconciled by itself: a Service with its LoadBalancer. ``shown`` is what the log calls it."""

    uid: str
    shown: str = field(default="", compare=False)

    NODES: ClassVar["Key"]
    """The nodes, with the Addresses object."""

    def __str__(self) -> str:
        return self.shown or self.uid


Key.NODES = Key("", f"{Addresses.KIND} {ADDRESSES}")


class View:
    """Reads the store by uid. Belongs to one running event loop."""

    def __init__(self, store: Store, tenant: Tenant) -> None:
        self._store = store
        self._tenant = tenant
        self._services: dict[str, ObjectRef] = {}

    @property
    def cluster(self) -> str:
        """The uid of the tenant's kube-system; empty while there is none."""
        home = cast("Home | None", self._store.get(ObjectRef("Namespace", "", HOME)))
        return home.uid if home is not None else ""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The tenant's nodes."""
        return cast("tuple[Node, ...]", self._store.of_kind(Node.KIND))

    @property
    def addresses(self) -> Copy | None:
        """The Addresses object."""
        return self._copy(Addresses.KIND, ADDRESSES)

    @property
    def services(self) -> tuple[Service, ...]:
        """The tenant's Services that are of use."""
        return cast("tuple[Service, ...]", self._store.of_kind(Service.KIND))

    @property
    def copies(self) -> tuple[Copy, ...]:
        """The LoadBalancers in the tenant's namespace."""
        return cast("tuple[Copy, ...]", self._store.of_kind(LoadBalancer.KIND))

    def service(self, uid: str) -> Service | None:
        """Return the Service of that uid."""
        ref = self._services.get(uid)
        return cast("Service | None", self._store.get(ref)) if ref is not None else None

    def copy(self, uid: str) -> Copy | None:
        """Return the LoadBalancer of that name."""
        return self._copy(LoadBalancer.KIND, uid)

    def everything(self) -> Iterable[Key]:
        """Return everything that there may be something to do for."""
        services = {service.metadata.uid: _of_service(service) for service in self.services}
        copies = {copy.metadata.name: _of_copy(copy) for copy in self.copies}
        return (Key.NODES, *(copies | services).values())

    def touched(self, changes: Iterable[Change]) -> Iterable[Key]:
        """Take note of changes, and return what they are about; a kube-system that is another one is about everything."""
        keys: dict[Key, None] = {}
        for ref, old, new in changes:
            if ref.kind == Service.KIND:
                for service in (cast("Service | None", old), cast("Service | None", new)):
                    if service is not None:
                        keys[_of_service(service)] = None
                self._index(cast("Service | None", old), cast("Service | None", new))
            elif ref.kind == LoadBalancer.KIND:
                keys[_of_copy(cast("Copy", new or old))] = None
            elif ref.kind == "Namespace":
                keys |= dict.fromkeys(self.everything())
            else:
                keys[Key.NODES] = None
        return tuple(keys)

    def _index(self, old: Service | None, new: Service | None) -> None:
        if old is not None:
            self._services.pop(old.metadata.uid, None)
        if new is not None:
            self._services[new.metadata.uid] = new.ref

    def _copy(self, kind: str, name: str) -> Copy | None:
        return cast("Copy | None", self._store.get(ObjectRef(kind, self._tenant.namespace, name)))


def _of_service(service: Service) -> Key:
    return Key(service.metadata.uid, str(service.ref))


def _of_copy(copy: Copy) -> Key:
    labels = copy.metadata.labels
    origin = f"{labels.get(ORIGIN_NAMESPACE, '?')}/{labels.get(ORIGIN_NAME, '?')}"
    return Key(copy.metadata.name, f"{Service.KIND} {origin} ({copy.metadata.name})")
