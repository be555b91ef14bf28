"""How a Service before Envoys is read, written and deleted at the API server.

Its methods raise what `KubeApi` raises. When that is to be done, and why, is not known here (`exposure`).
"""

from collections.abc import Mapping
from typing import Final

import structlog

from kube.client import APPLY, MERGE_PATCH, ApiError, KubeApi
from kube.controllers.services import Wanted, differences, has_foreign_ports, replaced_ports
from kube.informer.reflector import Resource
from kube.objects import ObjectRef
from kube.objects.service import FIELD_MANAGER, Service, read_service

SERVICES: Final = Resource(Service.KIND, "/api/v1", "services", read_service)

_NOT_FOUND: Final = 404
_AS_US: Final[Mapping[str, str]] = {"fieldManager": FIELD_MANAGER}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.controllers")


class ServiceApi:
    """Services through one API server."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def get(self, ref: ObjectRef) -> Service | None:
        """Return a Service as it is now, None where there is none."""
        try:
            return read_service(await self._api.get(_path(ref)))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    async def apply(self, wanted: Wanted, service: Service | None) -> None:
        """Create the Service, or make it what it is to be.

        One that exists is forced, and only that very one. One that does not is not: should somebody else create one at this
        moment, his fields conflict with these, and next time his is found in the way.
        """
        path = _path(ObjectRef(Service.KIND, wanted.namespace, wanted.name))
        if service is None:
            await self._api.send("PATCH", path, wanted.document(), params=_AS_US, content_type=APPLY)
            log.info("Service created", service=f"{wanted.namespace}/{wanted.name}")
            return
        changed = differences(wanted, service)
        if has_foreign_ports(wanted, service):
            await self._api.send(
                "PATCH", path, replaced_ports(wanted, service), params=_AS_US, content_type=MERGE_PATCH
            )
        document = wanted.document(service.metadata.uid)
        await self._api.send("PATCH", path, document, params={**_AS_US, "force": "true"}, content_type=APPLY)
        log.info("Service changed", service=f"{wanted.namespace}/{wanted.name}", fields=list(changed))

    async def delete(self, service: Service) -> None:
        """Delete this very Service."""
        options = {"preconditions": {"uid": service.metadata.uid}, "propagationPolicy": "Background"}
        await self._api.send("DELETE", _path(service.ref), options)
        log.info("Service deleted", service=f"{service.metadata.namespace}/{service.metadata.name}")


def _path(service: ObjectRef) -> str:
    return f"{SERVICES.path(service.namespace)}/{service.name}"
