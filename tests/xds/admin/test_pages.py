import asyncio
import threading

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from structlog.testing import capture_logs

from xds.admin.ops import PATHS

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""The Accept header of Prometheus 3."""


async def test_it_is_alive(client: aiohttp.ClientSession, missing: dict[str, str]) -> None:
    """`/healthz` answers 200 whatever is missing: a restart would bring none of it."""
    missing["LoadBalancer"] = "403 Forbidden"
    async with client.get("/healthz") as response:
        assert (response.status, await response.text()) == (200, "alive\n")


async def test_it_is_ready(client: aiohttp.ClientSession) -> None:
    """`/readyz` answers 200 when nothing is missing."""
    async with client.get("/readyz") as response:
        assert (response.status, await response.text()) == (200, "ready\n")


async def test_each_thing_missing_is_a_line(client: aiohttp.ClientSession, missing: dict[str, str]) -> None:
    """`/readyz` answers 503 with a line for each thing missing, whatever its reason looks like, until nothing is."""
    missing.update({"LoadBalancer": "403 Forbidden: no\n  list", "Secret in tenant-a": "not listed yet"})
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert await response.text() == (
            "LoadBalancer: 403 Forbidden: no list\nSecret in tenant-a: not listed yet\n"
        )
    missing.clear()
    async with client.get("/readyz") as response:
        assert response.status == 200


async def test_metrics_as_text(client: aiohttp.ClientSession, registry: CollectorRegistry) -> None:
    """`/metrics` is Prometheus's text for whoever asks for nothing else."""
    Counter("things", "Things.", registry=registry).inc(3)
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "things_total 3.0\n" in await response.text()


async def test_metrics_as_openmetrics(client: aiohttp.ClientSession, registry: CollectorRegistry) -> None:
    """Prometheus, which prefers OpenMetrics, gets it."""
    Counter("things", "Things.", registry=registry).inc(3)
    async with client.get("/metrics", headers={"Accept": PROMETHEUS}) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        text = await response.text()
        assert "things_total 3.0\n" in text
        assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain;version=x", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;version=x", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=9.0.0", "application/openmetrics-text; version=1.0.0"),
    ],
)
async def test_a_version_that_there_is_not(
    client: aiohttp.ClientSession, accept: str, content_type: str
) -> None:
    """A client that asks for a version that nobody knows gets the one that there is, by its own name."""
    async with client.get("/metrics", headers={"Accept": accept}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(content_type)


@pytest.mark.parametrize("path", ["/", "/config_dump", "/metrics/", "/readyz/verbose"])
async def test_there_is_nothing_else(client: aiohttp.ClientSession, path: str) -> None:
    """Every other path is 404, with a line that names the three that there are."""
    async with client.get(path) as response:
        assert response.status == 404
        assert await response.text() == "there are /healthz, /readyz and /metrics\n"


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_a_body(
    client: aiohttp.ClientSession, registry: CollectorRegistry, path: str
) -> None:
    """HEAD has the status and the length of GET, and no body."""
    Gauge("things", "Things.", registry=registry)
    async with client.get(path) as got, client.head(path) as response:
        body = await got.read()
        assert (response.status, await response.read()) == (got.status, b"")
        assert int(response.headers["Content-Length"]) == len(body)


async def test_nothing_can_be_changed(client: aiohttp.ClientSession) -> None:
    """Other methods are 405, which names those that there are."""
    async with client.post("/metrics", data=b"x" * 100_000) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_answers_name_no_software(client: aiohttp.ClientSession) -> None:
    """The answers tell nobody which libraries in which versions answer."""
    async with client.get("/healthz") as response:
        assert response.headers["Server"] == "kubelb-xds"


async def test_a_fault_of_the_program_is_a_500_and_a_log_line(
    client: aiohttp.ClientSession, missing: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong in here is logged with its traceback, and told without."""
    missing["x"] = None  # type: ignore[assignment]
    monkeypatch.setattr("xds.admin.ops._line", None)
    with capture_logs() as logs:
        async with client.get("/readyz") as response:
            assert (response.status, "Traceback" in await response.text()) == (500, False)
    assert [line["event"] for line in logs] == ["a page failed"]


async def test_writing_many_metrics_holds_up_nothing(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the metrics of a large cluster are being written, everything else goes on."""
    loop, writing, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def encode(_: object) -> bytes:
        loop.call_soon_threadsafe(writing.set)
        assert go_on.wait(5)
        return b"all of them"

    monkeypatch.setattr("xds.admin.ops.choose_encoder", lambda _: (encode, "text/plain"))
    scrape = asyncio.create_task(client.get("/metrics"))
    await asyncio.wait_for(writing.wait(), 5)
    async with client.get("/healthz") as response:
        assert response.status == 200
    go_on.set()
    async with await scrape as response:
        assert await response.read() == b"all of them"
