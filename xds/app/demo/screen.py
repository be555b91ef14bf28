"""What the demo says: on a terminal of 80 columns or more, and the same without colours in a log.

Everything is laid out for 80 columns; a wider screen shows it no wider. This module knows what a row is, and not how one comes about.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from xds.app.demo import parts
from xds.app.demo.evidence import Evidence, Row, Seen
from xds.app.demo.ports import LOOPBACK, PortChoice
from xds.app.demo.stage import Stage
from xds.app.demo.updates import Answer

CONTROL_PLANE_LOG: Final = "control-plane.log"

_LEFT, _RIGHT = 28, 47
"""Widths of the table's columns: with what is between and around them that makes 80."""
_WITNESS = 11

_LEGEND: Final = (
    "wire: seen by a recorder between Envoy and the backend, health checks included",
    "flags in Envoy's access log: UH no healthy backend, UF connecting to it failed,",
    "URX no attempt left; with a health check over TLS, a wrong CA shows as UH",
)
"""What the demo's words mean; the flags are Envoy's own (its documentation, "Access logging", `RESPONSE_FLAGS`)."""

_COMPLAINT = re.compile(r'\[(error|critical)\]|"level": "(warning|error|critical)"')
"""A line of Envoy's log, or of the control plane's, that someone should read when the demo fails."""
_COMPLAINTS = 10


class Screen:
    """Says things on a console: stdout's, unless another is given."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def begin(self) -> None:
        """Say what this is."""
        self._line("kubelb-xds demo: manifests in, a real Envoy re-encrypting out", style="bold")

    def replaced(self, choices: Iterable[PortChoice]) -> None:
        """Say which ports were taken, and what is used instead."""
        for choice in choices:
            self._line(f"  {choice}", style="yellow")

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Say on a terminal what goes on, until the block ends."""
        return self._console.status(text) if self._console.is_terminal else nullcontext()

    def started(self, stage: Stage, *, envoy: str, seconds: float) -> None:
        """Say what runs, on which files; `envoy` is its version."""
        examples = stage.examples
        for name, value in (
            ("manifests", f"{_short(examples.manifests)}: {len(examples.loadbalancers)} LoadBalancers"),
            ("Secrets", f"{stage.secrets.path}: made just now"),
            ("control plane", f"{LOOPBACK}:{examples.xds_port}"),
            (f"Envoy {envoy}", f"{_short(examples.bootstrap)}: live after {seconds:.1f} s"),
        ):
            self._line(f"  {name:<13}  {value}")

    def table(self, rows: Sequence[Row], *, legend: Sequence[str] = _LEGEND) -> None:
        """Show what was seen; `legend` says what its words mean."""
        table = Table(box=box.HORIZONTALS, show_lines=True, pad_edge=False, header_style="bold")
        table.add_column("LoadBalancer", width=_LEFT)
        table.add_column("What was seen", width=_RIGHT)
        for row in rows:
            table.add_row(_asked(row), _seen(row.seen))
        self._console.print(table)
        for line in legend:
            self._line(f" {line}", style="dim")

    def finished(self, rows: Sequence[Row], refused: Sequence[Answer], *, seconds: float) -> None:
        """Say in one line how it went, and before it what Envoy refused."""
        for answer in refused:
            self._line(f"Envoy refused an update: {answer.error}", style="red")
        different = [row.loadbalancer for row in rows if not row.as_expected]
        if different:
            self._line(
                f"{len(different)} of {len(rows)} rows are not as expected (!!): {', '.join(different)}",
                style="bold red",
            )
        else:
            self._line(f"All {len(rows)} rows are as expected, after {seconds:.1f} s.", style="bold green")

    def what_to_try(self, stage: Stage, directory: Path) -> None:
        """Say what can be done with everything that runs."""
        examples = stage.examples
        url = {name: f"http://{LOOPBACK}:{each.port}" for name, each in examples.loadbalancers.items()}
        admin = f"{LOOPBACK}:{examples.admin_port}"
        secret = f"{examples.loadbalancers[parts.VERIFY].secret}.yaml"
        self._console.print()
        self._line("Everything goes on running until Ctrl-C. In another terminal:", style="bold")
        self._command(f"cd {directory}")
        for what, *commands in (
            (
                "An answer over verified TLS; none from behind the wrong CA, and why:",
                f"curl {url[parts.VERIFY]}",
                f"curl {url[parts.WRONG_CA]}",
                f"curl -s {admin}/stats | grep wrong-ca | grep fail_verify",
            ),
            (
                "A CA goes: connections are refused. It comes back: they are answered.",
                f"mv {stage.secrets.path.name}/{secret} .",
                f"mv {secret} {stage.secrets.path.name}/",
            ),
            (
                "Another policy, and what the control plane and Envoy make of it:",
                f"$EDITOR {examples.manifests}/02-insecure.yaml",
                f"tail -f {CONTROL_PLANE_LOG}",
            ),
            (
                "What Envoy runs on, and its own log:",
                f"curl -s {admin}/config_dump | less",
                f"less {stage.envoy.log.name}",
            ),
        ):
            self._line(f"  {what}")
            for command in commands:
                self._command(command)

    def failed(self, error: BaseException) -> None:
        """Say what ended the demo before its time."""
        self._line(f"The demo could not be played: {error}", style="bold red")

    def complaints(self, directory: Path) -> None:
        """Repeat the latest warnings and errors in the logs of this folder, which is about to be removed."""
        for log in sorted(directory.glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            for line in [line for line in lines if _COMPLAINT.search(line)][-_COMPLAINTS:]:
                self._line(f"  {log.name}: {line}")

    def stopped(self) -> None:
        """Say that everything has ended at a signal."""
        self._line("Stopped; nothing is left running.")

    def _command(self, text: str) -> None:
        self._line(f"    {text}", style="cyan")

    def _line(self, text: str, *, style: str = "") -> None:
        """Print a line that is never wrapped: paths and commands are to be copied."""
        self._console.print(Text(text), style=style, soft_wrap=True)


def _asked(row: Row) -> RenderableType:
    mark = ("ok ", "green") if row.as_expected else ("!! ", "bold red")
    return Group(Text.assemble(mark, (row.loadbalancer, "bold")), Text(row.asked, "dim"), Text(row.expected))


def _seen(seen: Iterable[Seen]) -> RenderableType:
    lines: list[RenderableType] = []
    for each in seen:
        if isinstance(each, Evidence):
            line = Table.grid(padding=(0, 1, 0, 0))
            line.add_column(width=_WITNESS)
            line.add_column()
            line.add_row(
                Text(each.witness, "dim"),
                Text(each.text if each.holds else f"!! {each.text}", "" if each.holds else "red"),
            )
            lines.append(line)
        else:
            lines.append(Text(each.text, "italic"))
    return Group(*lines)


def _short(path: Path) -> str:
    """Return a path as short as it can be typed here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
