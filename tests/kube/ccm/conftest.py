"""Two clusters for the tests of the cloud controller manager: one server of their own for the tenant's, the shared one for management."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.kube.ccm.clusters import GROUP, Clusters, rules
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


@pytest_asyncio.fixture
async def clusters(
    tenant_server: ApiServer, api_server: ApiServer, tmp_path: Path
) -> AsyncIterator[Clusters]:
    """Give a test its namespaces in both clusters, and the program its rights; nothing is left of either afterwards."""
    async with tenant_server.client() as tenant, api_server.client() as management:
        cluster = f"t{secrets.token_hex(4)}"
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"tenant-{cluster}"}}
        await management.create(home)
        built = Clusters(
            tenant_server=tenant_server,
            management_server=api_server,
            tenant=tenant,
            management=management,
            namespace=await tenant_server.namespace("apps"),
            cluster=cluster,
            directory=tmp_path,
            tenant_identity=tenant_server.identity(),
            management_identity=api_server.identity(),
        )
        await tenant_server.allow(built.tenant_identity, rules("tenant", "ClusterRole"))
        await tenant_server.allow(built.tenant_identity, rules("tenant", "Role"), built.namespace)
        await api_server.allow(built.management_identity, rules("management", "Role"), built.home)
        yield built
        await clear(tenant, "v1", "Service", built.namespace)
        await tenant.request("DELETE", "/api/v1/nodes")
        await clear(management, GROUP, "LoadBalancer", built.home)
        await management.clear(GROUP, "Addresses", built.home)


async def clear(client: ApiClient, api_version: str, kind: str, namespace: str) -> None:
    """Delete all objects of a kind, whatever keeps them."""
    for item in (await client.list(api_version, kind, namespace))["items"]:
        if item["metadata"].get("finalizers"):
            thing = {"apiVersion": api_version, "kind": kind, "metadata": item["metadata"]}
            await client.patch(thing, {"metadata": {"finalizers": None}})
    await client.clear(api_version, kind, namespace)
