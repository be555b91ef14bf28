"""The command `kubelb-xds`: which commands there are, and how a mistake is told.

Every mistake of the user's is one line on stderr with exit code 2, whether an option's parser, a folder or a port finds it.
Nothing heavy is imported before a command runs, so that `--help` answers at once. What the commands do is known elsewhere.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from xds.app.commands.bootstrap import bootstrap
from xds.app.commands.ccm import ccm
from xds.app.commands.certgen import certgen
from xds.app.commands.demo import demo
from xds.app.commands.dump import dump
from xds.app.commands.explain import explain
from xds.app.commands.probe import probe
from xds.app.commands.serve import serve
from xds.app.commands.status import status
from xds.app.commands.validate import validate
from xds.app.commands.watch import watch
from xds.app.errors import UserError

PROGRAM: Final = "kubelb-xds"
USAGE_ERROR: Final = 2
NOBODY_READS: Final = 1

_HELP: Final = """\
An Envoy control plane for KubeLB's layer-4 path: LoadBalancers in, xDS out, TLS on the way to the backends.

\b
Example:
  kubelb-xds demo
  kubelb-xds serve --manifests examples/manifests
"""

app = typer.Typer(
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode=None,  # its tables cut the names of options and variables short
    pretty_exceptions_enable=False,
)
for command in (serve, ccm, demo, validate, bootstrap, certgen, status, explain, probe, dump, watch):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `sys.argv` unless given, and return the exit code."""
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        _complain(error.format_message(), f" (see {context.command_path} --help)" if context else "")
        return USAGE_ERROR
    except UserError as error:
        _complain(str(error))
        return USAGE_ERROR
    except BrokenPipeError:
        # Whoever read what is printed has gone, as `head` does: nothing is left to say, nor to flush at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    return int(code or 0)


def _complain(message: str, hint: str = "") -> None:
    typer.echo(f"{PROGRAM}: {' '.join(message.split())}{hint}", err=True)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 — typer passes the value by position
    if wanted:
        from importlib import metadata  # noqa: PLC0415 — --help is to stay light

        try:
            typer.echo(f"{PROGRAM} {metadata.version(PROGRAM)}")
        except metadata.PackageNotFoundError:
            typer.echo(f"{PROGRAM} from a source tree that is not installed")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 — its callback does it all
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Print the help text when there is no command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
