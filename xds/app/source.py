"""Where the objects come from, folders or the management cluster, behind one door that the control plane knows.

Both feed the same store; what differs is how they begin, what the log calls them, and whether there are informers to tell of.
The Kubernetes client takes 0.3 s and 15 MB to import: nobody who serves folders pays for it.
"""

import asyncio
import re
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from kube.informer.status import InformerStatus
from kube.informer.store import Store
from kube.sources.manifests import ManifestSource
from xds.app.errors import UserError
from xds.app.pipeline import Pipeline
from xds.app.settings import ServeSettings
from xds.protocol import Delivery
from xds.snapshot import SnapshotCache


class Identity(NamedTuple):
    """Who this replica is: the namespace that it runs in, and a name that no other replica has."""

    namespace: str
    name: str


class Source(Protocol):
    """What the control plane asks of a source. Making one names in the store what is to be synced."""

    @property
    def described(self) -> Mapping[str, object]:
        """What a log line says of it."""
        ...

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """How its informers are; folders have none."""
        ...

    async def open(self) -> None:
        """Begin. Raises ``UserError`` or ``OSError`` for what only the user can put right."""
        ...

    async def run(self) -> None:
        """Feed the store until cancelled."""
        ...

    async def close(self) -> None:
        """End what `open` began."""
        ...

    def writing(
        self, store: Store, cache: SnapshotCache, pipeline: Pipeline, delivery: Delivery
    ) -> "Background | None":
        """Return what writes back to where the objects come from, None where nothing is to be written."""
        ...


class Background(Protocol):
    """What runs beside the source."""

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """How its own informers are."""
        ...

    async def run(self) -> None:
        """Do it until cancelled."""
        ...

    async def close(self) -> None:
        """End it, after `run` was cancelled and before the source is closed."""
        ...


def source_of(settings: ServeSettings, store: Store) -> Source:
    """Return the source that the settings name, which will feed `store`."""
    return Cluster(settings, store) if settings.kubernetes else Folders(settings, store)


class Folders:
    """Folders of manifests."""

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        self._folders = settings.manifests
        self._source = ManifestSource(self._folders, store, clock=asyncio.get_running_loop().time)

    @property
    def described(self) -> Mapping[str, object]:
        """The folders."""
        return {"manifests": [str(folder) for folder in self._folders]}

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """None: folders are read, not watched over a network."""
        return ()

    async def open(self) -> None:
        """Read the folders. Raises ``FileNotFoundError`` or ``NotADirectoryError`` for one that is none."""
        self._source.load()

    async def run(self) -> None:
        """Follow the folders until cancelled."""
        await self._source.run()

    async def close(self) -> None:
        """Nothing is open."""

    def writing(
        self,
        store: Store,  # noqa: ARG002
        cache: SnapshotCache,  # noqa: ARG002
        pipeline: Pipeline,  # noqa: ARG002
        delivery: Delivery,  # noqa: ARG002
    ) -> None:
        """Nothing is written into folders."""
        return


class Cluster:
    """The management cluster's API."""

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        from kube.client import Access, KubeApi  # noqa: PLC0415 — whoever serves folders does not wait for it
        from kube.sources.cluster import ClusterSource, Scope  # noqa: PLC0415

        self._settings = settings
        self._api = KubeApi(Access(kubeconfig=settings.kubeconfig, context=settings.context))
        self._source = ClusterSource(
            self._api,
            store,
            scope=Scope(namespaces=settings.namespaces, selector=settings.namespace_selector),
            clock=asyncio.get_running_loop().time,
        )

    @property
    def described(self) -> Mapping[str, object]:
        """The API server, the namespaces where these are not all, and whether nothing is written."""
        fields: dict[str, object] = {"kubernetes": self._api.server}
        if self._settings.read_only:
            fields["read_only"] = True
        if self._settings.namespaces:
            fields["namespaces"] = list(self._settings.namespaces)
        if self._settings.namespace_selector:
            fields["namespace_selector"] = self._settings.namespace_selector
        return fields

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """One for each kind, and for each namespace where these are not all."""
        return self._source.informers

    async def open(self) -> None:
        """Find the credentials; the API server is not asked yet. Raises ``UserError`` for those that cannot be used."""
        from kube.client import AccessError  # noqa: PLC0415 — as above

        try:
            await self._api.__aenter__()
        except AccessError as error:
            raise UserError(str(error)) from None

    async def run(self) -> None:
        """Follow the API until cancelled."""
        await self._source.run()

    async def close(self) -> None:
        """End the connections."""
        await self._api.__aexit__(None, None, None)

    def writing(
        self, store: Store, cache: SnapshotCache, pipeline: Pipeline, delivery: Delivery
    ) -> Background | None:
        """Return what writes listener ports, conditions and Services, unless this one only reads."""
        from xds.app.writing import Writing  # noqa: PLC0415 — as above

        settings = self._settings
        if settings.read_only:
            return None
        return Writing(
            self._api,
            store,
            cache,
            pipeline,
            delivery,
            identity=identity(settings),
            removals=self._source.removals,
            namespaces=settings.namespaces,
            services=settings.services,
            patience=settings.patience,
        )


def identity(settings: ServeSettings) -> Identity:
    """Return which replica this is, and in which namespace: as told, as Kubernetes tells a pod, or made up."""
    token = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    namespace = settings.own_namespace or (token.read_text().strip() if token.is_file() else "default")
    # A name is not enough: a pod that is restarted has the one of before, whose lease may still be believed.
    host = (
        settings.replica or re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower()).strip("-") or "replica"
    )
    return Identity(namespace, f"{host[:50]}-{secrets.token_hex(4)}")
