import subprocess
from pathlib import Path

import pytest

from tests.support.command import ROOT, serving
from tests.support.workbench import RunEnvoy
from xds.app.address import target_address
from xds.app.bootstrap import Api, Bootstrap

pytestmark = [pytest.mark.envoy, pytest.mark.parametrize("api", ["delta", "sotw"])]


@pytest.mark.parametrize("address", ["127.0.0.1:18000", "[::1]:18000", "xds.example:18000"])
def test_envoy_takes_it(api: Api, address: str, envoy_binary: Path, tmp_path: Path) -> None:
    """`envoy --mode validate` accepts every kind of bootstrap, and warns of nothing."""
    file = tmp_path / "envoy.yaml"
    made = Bootstrap(tenant="tenant-a", node_id="envoy-1", xds_address=target_address(address), api=api)
    file.write_text(made.yaml(), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 — the real Envoy
        [envoy_binary, "--mode", "validate", "--config-path", file, "--log-level", "warning"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"configuration '{file}' OK\n", "")


async def test_an_envoy_on_it_is_configured_by_serve(api: Api, run_envoy: RunEnvoy) -> None:
    """An Envoy that starts on it gets from `kubelb-xds serve` what the tenant has, under the id that it was given."""
    async with serving(["--manifests", str(ROOT / "examples" / "manifests")]) as server:
        address = target_address((await server.logged("serving xDS"))["address"])
        made = Bootstrap(tenant="tenant-primary", node_id="envoy-7", xds_address=address, api=api)
        envoy = await run_envoy(made.yaml())
        opened = await server.logged("stream opened")
        assert len(await envoy.admin.listeners()) == 9
    assert (opened["node"], opened["tenant"], opened["variant"]) == ("envoy-7", "tenant-primary", api)
