"""What an operator sets is what the server does, and what nobody sets is the same for an operator and for a library user."""

from dataclasses import fields
from pathlib import Path

import pytest

from xds.app.bootstrap import KEEPALIVE_SECONDS
from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings
from xds.server import Limits, ServerOptions

SET = ("keepalive", "connection_age", "connection_age_grace", "drain")


async def test_defaults_agree(tmp_path: Path) -> None:
    """Without a setting the control plane's server is that of the library."""
    assert ControlPlane(ServeSettings(manifests=(tmp_path,))).server._options == ServerOptions()


@pytest.mark.parametrize("name", SET)
async def test_a_setting_reaches_the_server(tmp_path: Path, name: str) -> None:
    """Each setting about connections is an option of the server."""
    settings = ServeSettings(manifests=(tmp_path,), **{name: 123.0})  # type: ignore[arg-type]
    assert getattr(ControlPlane(settings).server._options, name) == 123.0


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
async def test_a_limit_reaches_the_server(tmp_path: Path, name: str) -> None:
    """Each limit is a setting of the same name."""
    settings = ServeSettings(manifests=(tmp_path,), **{name: 123})  # type: ignore[arg-type]
    assert getattr(ControlPlane(settings).server._options.limits, name) == 123


@pytest.mark.parametrize(("eds_api", "api_type"), [("delta", "DELTA_GRPC"), ("sotw", "GRPC")])
async def test_the_variant_of_separate_eds_streams(tmp_path: Path, eds_api: str, api_type: str) -> None:
    """`eds_api` says it in the words of `kubelb-xds bootstrap --api`, the translation in Envoy's."""
    settings = ServeSettings(manifests=(tmp_path,), eds_api=eds_api)  # type: ignore[arg-type]
    assert ControlPlane(settings).pipeline._options.eds_api == api_type


def test_the_server_pings_before_envoy_does() -> None:
    """The server's pings come more often than those of the project's bootstrap, and those are welcome at their rate."""
    options = ServerOptions()
    assert options.ping_interval < options.keepalive < KEEPALIVE_SECONDS


def test_grpc_is_told() -> None:
    """Times reach gRPC in milliseconds, and no age is no argument."""
    told = dict(ServerOptions(connection_age=60, connection_age_grace=0.5).channel_arguments())
    assert (told["grpc.max_connection_age_ms"], told["grpc.max_connection_age_grace_ms"]) == (60_000, 500)
    ageless = dict(ServerOptions(connection_age=0).channel_arguments())
    assert not [name for name in ageless if "age_" in name and "connection" in name]
    assert ageless["grpc.keepalive_time_ms"] == 20_000
