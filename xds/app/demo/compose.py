"""`python -m xds.app.demo.compose`: the one-shot containers of docker-compose.yml, which the image runs beside the program itself.

It reads options, and has others do the work.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from xds.app.demo import proof
from xds.app.demo.admin import Admin
from xds.app.demo.backend_files import BackendFiles
from xds.app.demo.examples import loadbalancers
from xds.app.demo.ports import LOOPBACK
from xds.app.demo.screen import Screen
from xds.app.errors import UserError

TENANT: Final = "tenant-primary"
ADMIN_PORT: Final = 19000

Manifests: TypeAlias = Annotated[
    Path, typer.Option(metavar="DIR", envvar="DEMO_MANIFESTS", help="The LoadBalancers.")
]
Backends: TypeAlias = Annotated[
    Path, typer.Option(metavar="DIR", envvar="DEMO_BACKENDS", help="Where the backends' certificates are.")
]
Secrets: TypeAlias = Annotated[
    Path, typer.Option(metavar="DIR", envvar="DEMO_SECRETS", help="Where the Secrets' manifests are.")
]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="LOADBALANCER")]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _files(manifests: Path, backends: Path, secrets: Path) -> BackendFiles:
    return BackendFiles(loadbalancers(manifests), tenant=TENANT, backends=backends, secrets=secrets)


@app.command()
def make(*, manifests: Manifests, backends: Backends, secrets: Secrets) -> None:
    """Make the backends' certificates and the Secrets, unless they are there."""
    typer.echo(_files(manifests, backends, secrets).make())


@app.command()
def renew(name: Name, *, manifests: Manifests, backends: Backends, secrets: Secrets) -> None:
    """Give a backend a certificate of a new authority."""
    typer.echo(_files(manifests, backends, secrets).renew(name))


@app.command()
def trust(name: Name, *, manifests: Manifests, backends: Backends, secrets: Secrets) -> None:
    """Write the authority of a backend's renewed certificate into the Secret that its LoadBalancer names."""
    typer.echo(_files(manifests, backends, secrets).trust(name))


@app.command()
def prove(*, manifests: Manifests) -> int:
    """Show every row, as clients of Envoy and its counters have it; the exit code is 1 when one is not as expected."""
    began = time.monotonic()
    screen = Screen()
    screen.begin()
    rows = asyncio.run(proof.prove(loadbalancers(manifests), Admin(LOOPBACK, ADMIN_PORT)))
    screen.table(rows, legend=proof.LEGEND)
    screen.finished(rows, (), seconds=time.monotonic() - began)
    return 0 if all(row.as_expected for row in rows) else 1


@app.command()
def watch(*, manifests: Manifests) -> None:
    """Say what clients of each LoadBalancer see, whenever it changes, until Ctrl-C."""
    asyncio.run(proof.watch(loadbalancers(manifests), typer.echo))


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        return int(app(standalone_mode=False) or 0)
    except (UserError, OSError) as error:
        typer.echo(f"{error}", err=True)
    except typer.TyperException as error:
        typer.echo(error.format_message(), err=True)
    except (KeyboardInterrupt, typer.Abort):
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
