"""On which ports Envoys listen, by where the objects come from and what is said about it."""

from typing import Any

import msgspec
import pytest

from kube.objects import StatusPort
from kube.objects.loadbalancer import LoadBalancerStatus, ServiceStatus
from tests.support.objects import loadbalancer
from tests.xds.app.fake_source import FakeSource
from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings
from xds.translate.ports import Claim

SPEC, RECORDED = 443, 20443
WEB = msgspec.structs.replace(
    loadbalancer("web", port=SPEC),
    status=LoadBalancerStatus(
        service=ServiceStatus(ports=(StatusPort(name="main", port=SPEC, target_port=RECORDED),))
    ),
)
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "folders": ({}, SPEC),
    "folders that record": ({"listener_ports": "recorded"}, RECORDED),
    "a cluster": ({"kubernetes": True}, RECORDED),
    "a cluster that is only read": ({"kubernetes": True, "read_only": True}, RECORDED),
    "a cluster where nobody records": (
        {"kubernetes": True, "read_only": True, "listener_ports": "spec"},
        SPEC,
    ),
}


@pytest.mark.parametrize(("settings", "port"), CASES.values(), ids=CASES)
async def test_where_envoy_listens(settings: dict[str, Any], port: int) -> None:
    """In a cluster it is where the status says, whoever writes that; in folders where the spec says."""
    control_plane = ControlPlane(ServeSettings(**settings), source_of=FakeSource)
    want = control_plane.pipeline._wants(WEB)[0, 0]
    assert isinstance(want, Claim)
    assert want.listen == ("TCP", port)
