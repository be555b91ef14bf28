"""Keeps an object until what was made for it is gone: adds this program's finalizer, and removes it, and no other.

Does not know when that is due.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from kube.client import MERGE_PATCH, ApiError, KubeApi
from kube.objects import LoadBalancer, ObjectMeta, ObjectRef
from kube.objects.service import FIELD_MANAGER
from kube.objects.structs import KubeStruct

FINALIZER: Final = "kubelb.k8c.io/cleanup"

_PATH: Final = "/apis/kubelb.k8c.io/v1alpha1/namespaces/{}/loadbalancers/{}"
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.coordination")


class _Identified(KubeStruct, frozen=True):
    """Any object, less its contents."""

    metadata: ObjectMeta


_METADATA: Final = msgspec.json.Decoder(_Identified)


class Finalizer:
    """The finalizer on the objects of one kind, LoadBalancers unless told otherwise. Every method raises ApiError and Unreachable.

    `path` has places for namespace and name; `manager` is the name under which it is written.
    """

    def __init__(
        self, api: KubeApi, *, kind: str = LoadBalancer.KIND, path: str = _PATH, manager: str = FIELD_MANAGER
    ) -> None:
        self._api = api
        self._kind = kind
        self._path = path
        self._params: Mapping[str, str] = {"fieldManager": manager}

    async def add(self, metadata: ObjectMeta) -> ObjectMeta | None:
        """Add it, unless the object is being deleted; return the metadata as it is then, None when it is gone."""
        return await self._change(metadata, _with)

    async def remove(self, metadata: ObjectMeta) -> None:
        """Remove it, if the object still exists."""
        await self._change(metadata, _without)

    async def metadata_of(self, ref: ObjectRef) -> ObjectMeta | None:
        """Return an object's metadata as it is now, whatever is wrong with the rest; None when it is gone."""
        try:
            body = await self._api.get(self._path.format(ref.namespace, ref.name))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return None
        return _METADATA.decode(body).metadata

    async def _change(
        self, metadata: ObjectMeta, change: Callable[[ObjectMeta], tuple[str, ...]]
    ) -> ObjectMeta | None:
        """Write what `change` makes of the finalizers, under the version that it was made of: others write there as well."""
        try:
            return await self._write(metadata, change(metadata))
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
        # What is known may be older than a status that was written since. If it is not that, it is for another attempt.
        ref = ObjectRef(self._kind, metadata.namespace, metadata.name)
        fresh = await self.metadata_of(ref)
        if fresh is None or fresh.uid != metadata.uid:
            return None
        return await self._write(fresh, change(fresh))

    async def _write(self, metadata: ObjectMeta, finalizers: tuple[str, ...]) -> ObjectMeta | None:
        if finalizers == metadata.finalizers:
            return metadata
        change = {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "finalizers": finalizers,
        }
        path = self._path.format(metadata.namespace, metadata.name)
        try:
            body = await self._api.send(
                "PATCH", path, {"metadata": change}, params=self._params, content_type=MERGE_PATCH
            )
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return None
        if FINALIZER in metadata.finalizers:
            log.info("finalizer removed", object=f"{self._kind} {metadata.namespace}/{metadata.name}")
        return _METADATA.decode(body).metadata


def _with(metadata: ObjectMeta) -> tuple[str, ...]:
    refused = metadata.deletion_timestamp is not None  # the API server takes no new ones then
    return (
        metadata.finalizers
        if refused or FINALIZER in metadata.finalizers
        else (*metadata.finalizers, FINALIZER)
    )


def _without(metadata: ObjectMeta) -> tuple[str, ...]:
    return tuple(name for name in metadata.finalizers if name != FINALIZER)
