"""A real Prometheus that scrapes a running control plane: every query of the dashboard and every alert finds its data."""

import asyncio
import math
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client import CollectorRegistry

from tests.monitoring.files import RULES, Json, alerts, dashboard, queries
from tests.support.measured import CA, TENANT, Measured, ccm_registry, measured
from tests.support.mtls import credentials, envoy_of
from tests.support.objects import loadbalancer
from tests.support.program import Program
from tests.support.prometheus import needs_promtool
from tests.support.scripted_envoy import scripted_envoy
from tests.support.workbench import free_port
from tests.support.xds_client import XdsClient
from xds.admin.ops import OpsServer
from xds.app.demo.waiting import poll
from xds.snapshot.types import CLUSTER, LISTENER

__all__ = ["free_port"]

WITHIN = 45.0
"""Seconds for everything to be there, on a machine that is busy; it takes three."""
REFUSED = f"{TENANT}-refused-ep-0-port-30443-TCP"
WEB = f"{TENANT}-web-ep-0-port-30443-TCP"


class Prometheus:
    """One that runs, asked over its own API."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        """Return what it answers; what it finds wrong is a failure of the test."""
        async with self._session.get(f"/api/v1/{path}", params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", (parameters, answer)
        assert not answer.get("warnings"), (parameters, answer)
        return answer["data"]

    async def numbers(self, query: str) -> list[float]:
        """Return the values that a query yields now, without those that are none."""
        result = (await self.get("query", query=query))["result"]
        return [value for each in result if not math.isnan(value := float(each["value"][1]))]

    async def states(self) -> dict[str, str]:
        """Return the state of each alert; each rule has to be in good health, once it was evaluated."""
        rules = [rule for group in (await self.get("rules"))["groups"] for rule in group["rules"]]
        assert [rule for rule in rules if rule["health"] == "err"] == []
        return {rule["name"]: rule["state"] for rule in rules if rule["health"] == "ok"}


@asynccontextmanager
async def prometheus(directory: Path, port: int, jobs: Mapping[str, int]) -> AsyncIterator[Prometheus]:
    """Run one that scrapes these ports of this machine, by job, and has our alert rules."""
    config = {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": job,
                "honor_labels": True,
                "static_configs": [
                    {"targets": [f"127.0.0.1:{target}"], "labels": {"namespace": "of-the-pod"}}
                ],
            }
            for job, target in jobs.items()
        ],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    program = Program(Path(shutil.which("prometheus") or "prometheus"), directory / "prometheus.log")
    program.start(
        [
            f"--config.file={directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def ready() -> str:
                try:
                    async with session.get("/-/ready") as response:
                        return "ok" if response.status == 200 else "not yet"
                except aiohttp.ClientConnectionError:
                    return "not yet"

            await program.until(ready, "a Prometheus that is ready")
            yield Prometheus(session)
    finally:
        if program.process is not None:
            program.process.kill()
            await asyncio.to_thread(program.process.wait)


@asynccontextmanager
async def pages(*registries: CollectorRegistry) -> AsyncIterator[list[int]]:
    """Serve the metrics of each on a port."""
    servers = [OpsServer(registry=registry, unready=dict) for registry in registries]
    try:
        yield [await server.start("127.0.0.1:0") for server in servers]
    finally:
        for server in servers:
            await server.stop()


class Life:
    """What happens at a control plane: an Envoy that takes all but one cluster, one that answers nothing, and a stranger."""

    def __init__(self, of: Measured) -> None:
        self._of = of
        self._turn = 0

    async def begin(self, stack: AsyncExitStack) -> None:
        """Connect the Envoys."""
        shown = credentials(CA, envoy_of(CA, TENANT))
        envoy = await stack.enter_async_context(
            scripted_envoy(self._of.port, TENANT, "takes", credentials=shown)
        )
        envoy.refuses[REFUSED] = "no"
        await envoy.took(LISTENER, [WEB])
        silent = await stack.enter_async_context(
            scripted_envoy(self._of.port, TENANT, "silent", credentials=shown)
        )
        silent.answering.clear()
        await silent.sent(CLUSTER, [WEB])

    def go_on(self) -> None:
        """Change clusters, endpoints and listeners, so that there is something to push."""
        self._turn += 1
        policy = "Insecure" if self._turn % 2 else None
        address = f"127.0.0.{self._turn % 200 + 1}"
        changed = (
            loadbalancer("changes", port=20010 + self._turn % 2, policy=policy, address=address),
            loadbalancer("refused", port=20004, policy=policy),
        )
        self._of.source.store.apply(now=asyncio.get_running_loop().time(), upserts=changed)

    async def refused(self) -> None:
        """Ask for a tenant with the certificate of another one."""
        other = credentials(CA, envoy_of(CA, "tenant-b"))
        node = {"id": "stranger", "cluster": TENANT}
        async with XdsClient(self._of.port, delta=True, node=node, credentials=other) as client:
            await client.subscribe(CLUSTER)
            await client.status()


def left_side(expr: str) -> str:
    """Return what an alert compares with a number; of an absence, what is to be there."""
    compared = re.sub(r" (==|<=|<|>) [\d *]+$", "", expr)
    assert compared != expr, expr
    return re.sub(r"^absent\((.*)\)$", r"\1", compared)


@needs_promtool
async def test_every_query_and_every_alert_finds_its_data(
    tmp_path: Path, free_port: Callable[..., int]
) -> None:
    """One Prometheus, scraping a control plane and a cloud controller manager: no query fails, and each has its data; the alerts
    that are due are pending or firing, and no other is.
    """  # noqa: D205 — one sentence, two lines
    wanted = {query: title for title, query in queries()} | {
        left_side(each["expr"]): each["alert"] for each in alerts()
    }
    async with AsyncExitStack() as stack:
        of = await stack.enter_async_context(measured(tmp_path))
        ports = await stack.enter_async_context(pages(of.control_plane.registry, ccm_registry()))
        asked = await stack.enter_async_context(
            prometheus(tmp_path, free_port(), dict(zip(("kubelb-xds", "kubelb-ccm"), ports, strict=True)))
        )
        life = Life(of)
        await life.begin(stack)
        ended = 'kubelb_xds_streams_ended_total{status="PERMISSION_DENIED"}'
        await poll(lambda: asked.numbers(ended), bool, within=WITHIN, what="a first scrape")
        await life.refused()

        async def without_data() -> dict[str, str]:
            life.go_on()
            for query in [*wanted]:
                if await asked.numbers(query):
                    del wanted[query]
            return wanted

        await poll(without_data, lambda left: not left, within=WITHIN, what="data for every query")
        due = {
            "KubelbXdsNack": "pending",
            "KubelbXdsFailClosed": "pending",
            "KubelbXdsIdentityRefused": "firing",
        }
        states = await poll(
            asked.states,
            lambda found: found == dict.fromkeys((each["alert"] for each in alerts()), "inactive") | due,
            within=WITHIN,
            what="the alerts that are due, and no other",
        )
        assert states
        for name, values in (await variables(asked)).items():
            assert values, name


async def variables(asked: Prometheus) -> dict[str, list[str]]:
    """Return what the dashboard's variables offer."""
    offered = {}
    listed: list[Json] = dashboard()["templating"]["list"]
    for variable in listed[1:]:
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert match is not None
        selector = match[1].replace("$job", ".*")
        offered[variable["name"]] = await asked.get(f"label/{match[2]}/values", **{"match[]": selector})
    return offered


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_compares_with_a_number(alert: Json) -> None:
    """So that the test above can ask for what it compares."""
    assert left_side(alert["expr"])
