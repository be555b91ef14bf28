"""`ccm`: runs the cloud controller manager of one tenant until a signal says stop, and says in one line what keeps it from starting.

What it does is known to `kube.ccm`; this is the process around it, with its health and its metrics.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import structlog

from kube.ccm.manager import Manager
from kube.ccm.names import Tenant
from kube.client import Access, AccessError, KubeApi
from xds.admin.ops import PATHS
from xds.app import process
from xds.app.ccm_metrics import registry_of
from xds.app.errors import UserError
from xds.app.identity import identity
from xds.app.settings import CcmSettings

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("xds.app")


def ccm(settings: CcmSettings) -> int:
    """Take part until SIGTERM or SIGINT, and return the exit code. Raises UserError when it cannot start."""
    return process.run(lambda stop: _ccm(settings, stop))


async def _ccm(settings: CcmSettings, stop: asyncio.Event) -> None:
    tenant = Tenant(settings.cluster_name)
    who = identity(settings)
    tenant_api = KubeApi(Access(kubeconfig=settings.kubeconfig, context=settings.context))
    management_api = KubeApi(
        Access(kubeconfig=settings.management_kubeconfig, context=settings.management_context)
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(tenant_api)
            await stack.enter_async_context(management_api)
        except AccessError as error:
            raise UserError(str(error)) from None
        manager = Manager(
            tenant_api,
            management_api,
            tenant=tenant,
            identity=who.name,
            own_namespace=who.namespace,
            by_class=settings.use_loadbalancer_class,
            node_address_type=settings.node_address_type,
        )
        registry = registry_of(lambda: manager.informers, lambda: manager.stats)
        address = await stack.enter_async_context(
            process.ops(registry, lambda: _unready(manager, stop), settings.ops_address)
        )
        if address:
            log.info("serving ops", address=address, paths=" ".join(PATHS))
        log.info(
            "following Services",
            tenant=tenant_api.server,
            management=management_api.server,
            namespace=tenant.namespace,
            replica=who.name,
        )
        await _until(stop, manager)


async def _until(stop: asyncio.Event, manager: Manager) -> None:
    """Run the manager until ``stop`` is set, or until it fails."""
    running = asyncio.create_task(manager.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        log.info("stopping")
        for task in (running, stopping):
            task.cancel()
        await asyncio.wait((running, stopping))
        await manager.close()
        log.info("stopped")


def _unready(manager: Manager, stop: asyncio.Event) -> Mapping[str, str]:
    """Return what is missing before it can work, and why; once it could, an API server that goes away is no reason."""
    if stop.is_set():
        return {"stopping": "the lease is given up"}
    errors = {informer.name: informer.error for informer in manager.informers}
    return {name: errors.get(name) or "not listed yet" for name in sorted(manager.store.unsynced)}
