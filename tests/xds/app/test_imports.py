"""What a command loads: modules that it has no use for cost every start of it."""

import pytest

from tests.support.command import run

ENVOYS = ("envoy_data_plane", "xds.messages._pool", "xds.server")
SHOW_LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print([name for name in sys.argv[2:] if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        # Envoy is no business of the tenant's side, and 0.9 s of CPU.
        ("xds.app.ccm", (*ENVOYS, "grpc", "google.protobuf")),
        # An answer comes in messages of our own, and Envoy's are 0.6 s of CPU where none are kept.
        ("xds.app.inspect.status_command", ENVOYS),
        ("xds.app.inspect.watch_command", ENVOYS),
        ("xds.app.inspect.explain_command", (*ENVOYS, "xds.translate", "kubernetes", "yaml")),
    ],
)
def test_a_command_loads_only_what_it_uses(module: str, unused: tuple[str, ...]) -> None:
    """What runs a command imports nothing of what another one needs."""
    assert run(module, *unused, code=SHOW_LOADED).stdout.strip() == "[]"
