"""What `watch` does: prints each event as it comes."""

from collections.abc import Sequence

from google.protobuf import json_format

from xds.app.inspect.client import client_of
from xds.app.inspect.console import console_of
from xds.app.inspect.events import event_line
from xds.app.settings import AdminListener


def show_events(
    listener: AdminListener, *, tenant: str, node: str, types: Sequence[str], as_json: bool
) -> int:
    """Print events until Ctrl-C, and return the exit code. Raises UserError."""
    console = console_of()
    with client_of(listener) as client:
        try:
            for event in client.watch(tenant, node, types):
                if as_json:
                    print(json_format.MessageToJson(event, indent=None), flush=True)  # noqa: T201
                else:
                    console.print(event_line(event), soft_wrap=True)
        except KeyboardInterrupt:
            pass
    return 0
