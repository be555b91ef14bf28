"""Every row of the demo, played with a real Envoy in both variants of the protocol."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree

import pytest
import pytest_asyncio

from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.demo.evidence import Evidence
from xds.app.demo.examples import BOOTSTRAP, EXAMPLES, prepare
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.demo.rows import SCENES, Scene, perform
from xds.app.demo.stage import Stage, on_stage

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["delta", "sotw"])
async def stage(
    request: pytest.FixtureRequest,
    envoy_binary: Path,  # noqa: ARG001  # fail early
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stage]:
    """Run the demo's stage once for all rows, on the examples with a bootstrap of this variant."""
    directory = tmp_path_factory.mktemp("stage")
    folder = Path(copytree(EXAMPLES, directory / "own"))
    api: Api = request.param
    bootstrap = Bootstrap(
        tenant="tenant-primary", xds_address=HostPort(LOOPBACK, 18000), node_id="envoy-demo", api=api
    )
    (folder / BOOTSTRAP).write_text(bootstrap.yaml(), encoding="utf-8")
    async with on_stage(prepare(folder, Ports(), directory / "copies"), directory) as stage:
        yield stage


@pytest.mark.parametrize("scene", SCENES, ids=[scene.loadbalancer for scene in SCENES])
async def test_a_row(scene: Scene, stage: Stage) -> None:
    """Everything that the witnesses saw of this LoadBalancer is as it should be."""
    row = await perform(scene, stage)
    evidence = [seen for seen in row.seen if isinstance(seen, Evidence)]
    assert [seen for seen in evidence if not seen.holds] == []
    assert {"wire", "access log"} <= {seen.witness for seen in evidence}


async def test_envoy_refuses_nothing(stage: Stage) -> None:
    """No update was rejected while the rows were played: neither a NACK nor a counter says so."""
    rejected = await stage.envoy.admin.stats("update_rejected|create_failure")
    assert stage.updates.refused == []
    assert rejected
    assert not any(rejected.values()), rejected


async def test_envoy_speaks_the_variant(stage: Stage, request: pytest.FixtureRequest) -> None:
    """The rows were played in the variant of the protocol that the test's name says."""
    dump = json.loads(await stage.envoy.admin.get("/config_dump"))
    (bootstrap,) = (section["bootstrap"] for section in dump["configs"] if "bootstrap" in section)
    spoken = bootstrap["dynamic_resources"]["ads_config"].get("api_type", "GRPC")
    assert spoken == {"delta": "DELTA_GRPC", "sotw": "GRPC"}[request.node.callspec.params["stage"]]
