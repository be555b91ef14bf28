"""Where a world's objects are written: manifest files in a folder, or objects of a real API server. A test cannot tell which.

Both know "files": what is put under one name replaces what was put under it before. On the API server that is server-side apply, and
deletion of what a file no longer has.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from xds.app.demo.manifests import Manifest, ManifestFolder

TENANT: Final = "tenant-primary"
"""The tenant of manifests; on an API server each world has a namespace of its own."""
GROUP: Final = "kubelb.k8c.io"
KINDS: Final = ((f"{GROUP}/v1alpha1", "LoadBalancer"), (f"{GROUP}/v1alpha1", "Addresses"), ("v1", "Secret"))
RULES: Final[list[Object]] = [
    {"apiGroups": [GROUP], "resources": ["loadbalancers"], "verbs": ["list", "watch"]},
    {"apiGroups": [GROUP], "resources": ["addresses"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]},
]
"""All that the program needs to be allowed as long as it only reads."""
READING: Final[Mapping[str, Any]] = {"kubernetes": True, "read_only": True, "listener_ports": "spec"}
"""The settings with which it does: where nobody records ports, Envoy listens on those of the spec."""


def in_namespace(document: Manifest, namespace: str) -> Object:
    """Return a manifest with this namespace."""
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


class Objects(Protocol):
    """What a world's control plane is to serve."""

    @property
    def tenant(self) -> str:
        """The namespace of all that is written."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """The fields of `ServeSettings` that say where a control plane finds it."""
        ...

    async def put(self, file: str, *documents: Manifest) -> float:
        """Write what this file is to have; returns the moment before it takes effect (`time.monotonic`)."""
        ...

    async def remove(self, file: str) -> float:
        """Delete all that this file has; returns the moment before."""
        ...


Source: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Objects]]
"""Makes objects for one test, whose folder it is given."""


class Files:
    """Manifests in a folder, as `Objects`."""

    def __init__(self, directory: Path) -> None:
        self._folder = ManifestFolder(directory / "manifests")
        self.tenant = TENANT
        self.settings: Mapping[str, Any] = {"manifests": (self._folder.path,)}

    async def put(self, file: str, *documents: Manifest) -> float:
        """Write the file in one rename."""
        return self._folder.put(f"{file}.yaml", *documents)

    async def remove(self, file: str) -> float:
        """Delete the file."""
        return self._folder.remove(f"{file}.yaml")


class ApiObjects:
    """A namespace's objects, as `Objects`. ``kubeconfig`` is what the control plane has."""

    def __init__(self, client: ApiClient, namespace: str, kubeconfig: Path) -> None:
        self.client = client
        self.tenant = namespace
        self.settings: Mapping[str, Any] = {"kubeconfig": kubeconfig, **READING}
        self._files: dict[str, dict[tuple[str, str], Object]] = {}

    async def put(self, file: str, *documents: Manifest) -> float:
        """Apply these, then delete what the file had beside them."""
        before = self._files.get(file, {})
        self._files[file] = {(each["kind"], each["metadata"]["name"]): dict(each) for each in documents}
        moment = time.monotonic()
        for document in self._files[file].values():
            await self.client.apply(document)
        for key, document in before.items():
            if key not in self._files[file]:
                await self.client.delete(document)
        return moment

    async def remove(self, file: str) -> float:
        """Delete all that the file has."""
        moment = await self.put(file)
        del self._files[file]
        return moment

    async def clear(self) -> None:
        """Delete everything, whoever wrote it."""
        for api_version, kind in KINDS:
            await self.client.clear(api_version, kind, self.tenant)


@asynccontextmanager
async def files(directory: Path) -> AsyncIterator[Objects]:
    """Yield an empty folder."""
    yield Files(directory)


@asynccontextmanager
async def api_objects(server: ApiServer, directory: Path) -> AsyncIterator[ApiObjects]:
    """Yield an empty namespace, of which the control plane may see what it needs and no more."""
    identity = server.identity()
    await server.allow(identity, RULES)
    async with server.client() as client:
        built = ApiObjects(client, await server.namespace(), server.kubeconfig(directory, identity))
        yield built
        await built.clear()
