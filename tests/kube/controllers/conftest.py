"""What tests of controllers leave behind is more than `namespace` deletes: LoadBalancers with finalizers, and Services."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.kube_client import ApiClient


@pytest_asyncio.fixture
async def tenant(admin: ApiClient, namespace: str) -> AsyncIterator[str]:
    """Name a namespace of the test's own, in which afterwards nothing is kept by a finalizer, and no Service stands."""
    yield namespace
    for api_version, kind in (("kubelb.k8c.io/v1alpha1", "LoadBalancer"), ("v1", "Service")):
        listed = await admin.list(api_version, kind, namespace)
        for item in listed["items"]:
            if item["metadata"].get("finalizers"):
                thing = {"apiVersion": api_version, "kind": kind, "metadata": item["metadata"]}
                await admin.patch(thing, {"metadata": {"finalizers": None}})
    await admin.clear("v1", "Service", namespace)
