"""The proof of docker-compose.yml, against the demo's own stage with a real Envoy: it holds where all is well, and notices what is not."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.sabotaged_demo import SABOTAGES
from xds.app.demo import parts, proof
from xds.app.demo.admin import Admin
from xds.app.demo.examples import EXAMPLES, Example, prepare
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.demo.stage import Stage, on_stage
from xds.app.demo.waiting import Journal
from xds.app.errors import UserError
from xds.translate import translate

pytestmark = pytest.mark.envoy

ROWS: Final = tuple(expected.loadbalancer for expected in proof.EXPECTED)


@asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    """Run the demo's stage on free ports."""
    async with on_stage(prepare(EXAMPLES, Ports(), directory / "copies"), directory) as stage:
        yield stage


async def proved(stage: Stage) -> list[str]:
    """Return the rows that are not as expected."""
    rows = await proof.prove(stage.examples.loadbalancers, stage.envoy.admin)
    assert tuple(row.loadbalancer for row in rows) == ROWS
    return [row.loadbalancer for row in rows if not row.as_expected]


async def test_every_row_holds(envoy_binary: Path, tmp_path: Path) -> None:  # noqa: ARG001 — fail early
    """All nine LoadBalancers are as expected, as clients and Envoy's counters have it."""
    assert set(ROWS) == set(parts.cast_parts())
    async with staged(tmp_path) as stage:
        assert await proved(stage) == []


NOTICED_BY: Final[Mapping[str, Collection[str]]] = {
    "plaintext": set(ROWS) - {"plain", "verify-without-secret-ref"},
    "accept-untrusted": {"verify-wrong-ca"},
    "fail-open": {"verify-missing-secret"},
    "first-certificate": {"verify-intermediate"},
    "nothing": set(ROWS),
}
"""Which rows notice it; what happens to a Secret that changes is not among what the proof sees."""


@pytest.mark.parametrize("sabotage", NOTICED_BY)
async def test_a_sabotaged_translation_fails_the_rows_that_it_breaks(
    sabotage: str,
    envoy_binary: Path,  # noqa: ARG001 — fail early
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exactly these rows are not as expected, once the proof's patience is over."""
    monkeypatch.setattr("xds.app.pipeline.translate", SABOTAGES[sabotage](translate))
    monkeypatch.setattr(proof, "_PATIENCE", 0.5)
    async with staged(tmp_path) as stage:
        assert set(await proved(stage)) == NOTICED_BY[sabotage]


async def test_an_envoy_that_is_away_fails_every_row(
    envoy_binary: Path,  # noqa: ARG001 — fail early
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing that is not there counts as refused."""
    monkeypatch.setattr(proof, "_PATIENCE", 0.0)
    async with staged(tmp_path) as stage:
        await stage.envoy.stop()
        assert await proved(stage) == list(ROWS)


async def test_a_loadbalancer_that_is_missing_is_named(tmp_path: Path) -> None:
    """The proof does not pass over a row."""
    examples = prepare(EXAMPLES, Ports(), tmp_path).loadbalancers
    fewer: Mapping[str, Example] = {name: each for name, each in examples.items() if name != parts.VERIFY}
    with pytest.raises(UserError, match=r"^there is no LoadBalancer verify, of which the proof has a row"):
        await proof.prove(fewer, Admin(LOOPBACK, examples[parts.VERIFY].port))


async def test_what_clients_see_is_said_when_it_changes(
    envoy_binary: Path,  # noqa: ARG001 — fail early
    tmp_path: Path,
) -> None:
    """The watch says what a client of each LoadBalancer sees, once, and again of the one whose Secret appears."""
    lines: Journal[str] = Journal("the watch")
    async with staged(tmp_path) as stage:
        watching = asyncio.create_task(proof.watch(stage.examples.loadbalancers, lines.add))
        try:
            await lines.until(lambda: len(lines) == len(ROWS), within=10, what="a line of each")
            site = stage.sites[parts.MISSING_SECRET]
            stage.put_ca(site.example, site.part.next_ca)
            await lines.until(lambda: len(lines) > len(ROWS), within=10, what="another line")
        finally:
            watching.cancel()
            await asyncio.wait([watching])
    told = [line.split(maxsplit=2)[1:] for line in lines]
    assert {name for name, _ in told[:-1]} == set(ROWS)
    assert [parts.MISSING_SECRET, "closed without a reply"] in told
    assert told[-1] == [parts.MISSING_SECRET, "reached over TLSv1.3"]
