"""What the status page is shown with: LoadBalancers of every outcome, two Envoys that take them, and one that refuses some."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support import pki
from tests.support.paged import Paged, paged
from tests.support.scripted_envoy import scripted_envoy
from tests.xds.app.manifests import Document, loadbalancer, secret, verify, write
from xds.snapshot.types import LISTENER

SHOP, BANK = "tenant-shop", "tenant-bank"
REFUSED = f"{SHOP}-checkout-ep-0-port-8443-TCP"
WORDS = "Failed to load trusted CA certificates from <inline>"


def documents() -> list[Document]:
    """Return the LoadBalancers of two tenants, and their Secrets."""
    now = datetime.now(UTC)
    good = pki.ca("shop").pem.decode()
    soon = pki.ca("payments", start=now - timedelta(days=300), end=now + timedelta(days=12)).pem.decode()
    return [
        loadbalancer("web", namespace=SHOP, port=20001, tls=verify("web-ca")),
        loadbalancer("checkout", namespace=SHOP, port=20002, tls=verify("web-ca")),
        loadbalancer("search", namespace=SHOP, port=20003, tls={"policy": "Insecure"}),
        loadbalancer("static", namespace=SHOP, port=20004),
        loadbalancer("legacy", namespace=SHOP, port=20005, tls={"policy": "Verify"}),
        loadbalancer("payments", namespace=BANK, port=20001, tls=verify("payments-ca")),
        loadbalancer("ledger", namespace=BANK, port=20002, tls=verify("ledger-ca")),
        secret("web-ca", namespace=SHOP, ca_crt=good),
        secret("payments-ca", namespace=BANK, ca_crt=soon),
    ]


@asynccontextmanager
async def played(folder: Path, manifests: Path) -> AsyncIterator[Paged]:
    """Run all of it until the end of the block; ``manifests`` is how the page calls the folder."""
    write(folder, "shop.yaml", *documents())
    async with AsyncExitStack() as stack:
        page = await stack.enter_async_context(paged(manifests))
        envoys = [
            await stack.enter_async_context(scripted_envoy(page.xds, tenant, node_id=node))
            for tenant, node in ((SHOP, "envoy-shop-0"), (SHOP, "envoy-shop-1"), (BANK, "envoy-bank-0"))
        ]
        envoys[1].refuses[REFUSED] = WORDS
        async with asyncio.timeout(20):
            for envoy in envoys:
                await envoy.answered.until(
                    lambda envoy=envoy: any(each.type_url == LISTENER for each in envoy.answered),  # type: ignore[misc]
                    within=20,
                    what="listeners",
                )
        yield page
