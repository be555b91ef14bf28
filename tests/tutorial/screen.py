"""What the tutorial says: each step's commands as they are typed, what they print, and what was seen of the bytes.

It knows what a step is, and not how one comes about.
"""

import textwrap
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from rich.console import Console
from rich.text import Text

from tests.tutorial.played import ADDRESSES, EXTERNAL_IP
from tests.tutorial.shell import Typed
from tests.tutorial.stage import CCM_LOG, CONTROL_PLANE_LOG, SERVICE, Stage
from tests.tutorial.steps import Seen, Step
from xds.app.demo.evidence import Caption

WIDTH: Final = 100
"""Columns of prose that is printed; commands are never broken."""

_LONGEST = 120
"""Columns of a line that is left as it is: kubectl's tables have no more."""
_WITNESS = 10
_COMPLAINTS = 10


class Screen:
    """Says things on a console: stdout's, unless another is given."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def begin(self) -> None:
        """Say what this is."""
        self.line(
            "kubelb-xds tutorial: an annotated Service on one API server, a real Envoy configured by another",
            "bold",
        )

    def line(self, text: str, style: str = "") -> None:
        """Print a line that is never wrapped."""
        self._console.print(Text(text), style=style, soft_wrap=True)

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Say on a terminal what goes on, until the block ends."""
        return self._console.status(text) if self._console.is_terminal else nullcontext()

    def started(self, stage: Stage, *, api_server: str, envoy: str, seconds: float) -> None:
        """Say what runs; the versions are Kubernetes' and Envoy's."""
        tenant, management = (server.url for server in stage.servers)
        for name, value in (
            (
                "tenant",
                f"{tenant}: kube-apiserver {api_server}; nodes {', '.join(ADDRESSES.values())} are played",
            ),
            ("management", f"{management}: another one; the cloud is played, and gives {EXTERNAL_IP}"),
            ("CCM", "kubelb-xds ccm --cluster-name primary, with the rights of deploy/ccm"),
            ("control plane", "kubelb-xds serve --kubernetes, with the rights of deploy/"),
            (f"Envoy {envoy}", f"on {EXTERNAL_IP}: live after {seconds:.1f} s"),
        ):
            self.line(f"  {name:<13}  {value}")
        for typed in stage.set_up:
            self._typed(typed)

    def step(self, number: int, step: Step) -> None:
        """Begin a step."""
        self._console.print()
        self.line(f"{number}. {step.title}", "bold")
        if step.reference:
            self.line(f"   the reference: {step.reference}", "italic")

    def seen(self, seen: Seen) -> None:
        """Show what a step yields."""
        if isinstance(seen, Typed):
            self._typed(seen)
        elif isinstance(seen, Caption):
            self.line(f"   ({seen.text})", "italic")
        else:
            mark = "ok" if seen.holds else "!!"
            self.line(
                f"{mark} {seen.witness:<{_WITNESS}}  {seen.text}", "green" if seen.holds else "bold red"
            )

    def _typed(self, typed: Typed) -> None:
        self._console.print(
            Text.assemble((f"{'' if typed.holds else '!! '}{typed.side}$ ", "cyan"), typed.command),
            soft_wrap=True,
        )
        lines = typed.printed.splitlines()
        if typed.brief and typed.holds:
            lines = [f"({len(lines)} objects)"]
        for line in lines or ("(nothing)",):
            self.line("\n".join(_wrapped(line)), "" if typed.holds else "red")

    def finished(self, number: int, *, seconds: float) -> None:
        """Say that all is well."""
        self._console.print()
        self.line(f"All {number} steps are as the reference has them, after {seconds:.1f} s.", "bold green")

    def different(self, number: int, step: Step) -> None:
        """Say which step ended it."""
        self._console.print()
        self.line(f"Step {number} is not as expected (!!), and the others need it: {step.title}", "bold red")

    def failed(self, error: BaseException) -> None:
        """Say what ended the tutorial before its time."""
        self.line(f"The tutorial could not be played: {error}", "bold red")

    def complaints(self, logs: Iterable[tuple[str, list[str]]]) -> None:
        """Repeat the latest warnings and errors of the programs' logs, which are about to be removed."""
        for name, lines in logs:
            for line in [line for line in lines if "[error" in line or "[warning" in line][-_COMPLAINTS:]:
                self.line(f"  {name}: {line}")

    def what_to_try(self, stage: Stage) -> None:
        """Say what can be done with everything that runs."""
        self._console.print()
        self.line("Everything goes on running until Ctrl-C. In another terminal:", "bold")
        for command in (
            f"cd {stage.folder}",
            f"export PATH={stage.servers[0].programs}:$PATH",
            "alias tenant='kubectl --kubeconfig tenant.conf' management='kubectl --kubeconfig management.conf'",
            f"tenant describe service {SERVICE}",
            "management -n tenant-primary get lb,service,events",
            f"curl --http0.9 http://{EXTERNAL_IP}:{stage.port}",
            f"tenant annotate --overwrite service {SERVICE} kubelb.k8c.io/backend-tls-policy=Insecure",
            f"tail -f {CONTROL_PLANE_LOG} {CCM_LOG}",
            f"curl -s {stage.envoy.admin.address}/config_dump | less",
        ):
            self.line(f"    {command}")

    def stopped(self) -> None:
        """Say that a signal has ended it."""
        self.line("Stopped; nothing is left running.")


def _wrapped(line: str) -> list[str]:
    """Break a line that is too long; a table's are not."""
    if len(line) <= _LONGEST:
        return [f"  {line}"]
    return textwrap.wrap(
        line.strip(),
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
