"""How a validation's report looks to a person: a table of what is served for each tenant, then what is wrong, in full.

A table has to fit a terminal, so it holds no messages; the lines below it are as long as they are, and can be searched.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.box import HORIZONTALS
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kube.objects import Condition
from xds.app.validate import CheckedLoadBalancer, Report
from xds.translate import PortSummary
from xds.translate.ca import CaCertificate

_PIPE_WIDTH = 160
"""Columns where nobody says how many there are: enough for every table but those of very long names."""

_CA_SHOWN = 3
_STYLES = {"verify": "green", "insecure": "yellow", "fail-closed": "red", "error": "red", "warning": "yellow"}


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report, to stdout unless told otherwise."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _PIPE_WIDTH)
    for tenant, loadbalancers in groupby(report.loadbalancers, key=lambda lb: lb.ref.namespace):
        console.print(_table(tenant, loadbalancers))
    for line in _lines(report):
        console.print(line, soft_wrap=True)
    console.print(_summary(report), soft_wrap=True)


def _table(tenant: str, loadbalancers: Iterable[CheckedLoadBalancer]) -> Table:
    table = Table(title=f"Tenant {tenant}", title_justify="left", box=HORIZONTALS, show_lines=True)
    # What has to give way where it is narrow are the texts of any length.
    table.add_column("LoadBalancer", overflow="fold")
    table.add_column("Listener → backend", no_wrap=True)
    table.add_column("TLS to the backend", overflow="fold")
    table.add_column("Conditions", no_wrap=True)
    for lb in loadbalancers:
        for index, port in enumerate(lb.ports):
            table.add_row(
                Text(lb.ref.name if index == 0 else ""),
                Text(
                    f"{port.listener_port or 'none'} → {port.endpoint_port} {port.protocol}\n"
                    f"{_counted(port.endpoints, 'endpoint')} ({port.discovery})"
                ),
                _tls(port, lb.ca),
                Text("\n").join(map(_condition, lb.conditions)) if index == 0 else Text(),
            )
    return table


def _tls(port: PortSummary, ca: tuple[CaCertificate, ...]) -> Text:
    text = Text(port.tls, _STYLES.get(port.tls, ""))
    if port.listener_port is None:
        return text  # its detail is why, which stands below the table in full
    if port.detail:
        text.append(f"\n{port.detail}", "dim")
    if port.tls == "verify":
        for certificate in ca[:_CA_SHOWN]:
            text.append(f"\n{certificate.subject}, until {certificate.not_after:%Y-%m-%d}", "dim")
        if len(ca) > _CA_SHOWN:
            text.append(f"\nand {len(ca) - _CA_SHOWN} more", "dim")
    return text


def _condition(condition: Condition) -> Text:
    if condition.reason == condition.type:
        return Text(condition.type, "green")
    style = "red" if condition.status == "False" else "yellow"
    return Text(f"{condition.type}={condition.status}\n  {condition.reason}", style)


def _lines(report: Report) -> Iterator[Text]:
    """Yield what is wrong with files, objects and LoadBalancers, in this order: the first may be why of the others."""
    for problem in report.problems:
        yield _line("error", str(problem))
    for error in report.invalid:
        for fault in error.faults:
            yield _line("error", f"{error.ref}: {fault}")
    for lb in report.loadbalancers:
        for finding in lb.findings:
            yield _line(finding.level, f"{lb.ref}: {finding.message}")


def _line(level: str, text: str) -> Text:
    return Text.assemble((f"{level}: ", _STYLES[level]), text)


def _summary(report: Report) -> str:
    errors, warnings = report.count("error"), report.count("warning")
    return (
        f"{_counted(len(report.loadbalancers), 'LoadBalancer')}, {_counted(errors, 'error')}, "
        f"{_counted(warnings, 'warning')}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
