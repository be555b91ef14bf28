import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.pki import ca
from tests.xds.app.manifests import Document, loadbalancer, secret, verify, write
from xds.app.report import print_report
from xds.app.validate import validate
from xds.translate import Options

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def shown(tmp_path: Path) -> "Shown":
    """Print the report about some manifests."""
    return Shown(tmp_path)


class Shown:
    """Prints the report about manifests as a terminal of some width shows it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *documents: Document, width: int = 120) -> str:
        """Return what is printed about these manifests."""
        write(self._folder, "a.yaml", *documents)
        out = io.StringIO()
        console = Console(file=out, width=width, force_terminal=True, no_color=True, color_system=None)
        print_report(validate([self._folder], options=Options(), now=NOW), console)
        return out.getvalue()


def row(text: str, beginning: str) -> str:
    """Return the line of a table that begins like this."""
    return next(line.strip() for line in text.splitlines() if line.strip().startswith(beginning))


def test_a_row_shows_ports_and_tls(shown: Shown) -> None:
    """A LoadBalancer's row has its listener, its backend and how that is reached."""
    text = shown(loadbalancer("web", tls={"policy": "Insecure"}))
    assert row(text, "web ").split() == ["web", "20001", "→", "8443", "TCP", "insecure", "Accepted"]
    assert "1 endpoint (EDS)" in text


def test_ca_certificates_are_shown_with_their_ends(shown: Shown) -> None:
    """What a backend is verified against is shown by subject and last day."""
    text = shown(loadbalancer("web", tls=verify("ca")), secret("ca", ca_crt=ca("root").pem.decode()))
    assert "CN=root, until 2035-12-30" in text


def test_of_a_large_bundle_the_first_are_shown(shown: Shown) -> None:
    """A bundle of many certificates takes a few lines."""
    bundle = b"".join(ca(f"root {number}").pem for number in range(10)).decode()
    text = shown(loadbalancer("web", tls=verify("ca")), secret("ca", ca_crt=bundle))
    assert text.count(", until ") == 3
    assert "and 7 more" in text


def test_what_is_not_served_has_no_listener(shown: Shown) -> None:
    """A port that lost its listener says so in its row, and why below the table."""
    text = shown(loadbalancer("a"), loadbalancer("b"))
    assert row(text, "b ").split()[:5] == ["b", "none", "→", "8443", "TCP"]
    assert (
        "\nerror: LoadBalancer tenant-a/b: spec.ports[0].port 20001 (TCP) is held by LoadBalancer a" in text
    )


def test_messages_are_whole_lines(shown: Shown) -> None:
    """What is wrong is told below the table, each in one line however narrow the terminal is."""
    text = shown(loadbalancer("web", tls=verify("ca")), width=60)
    (line,) = (line for line in text.splitlines() if line.startswith("error: "))
    assert line.startswith("error: LoadBalancer tenant-a/web: failed to get CA secret")
    assert len(line) > 60


def test_a_table_fits_a_narrow_terminal(shown: Shown) -> None:
    """With 80 columns no line of the table is longer, whatever the names."""
    text = shown(loadbalancer("a" * 250, tls=verify("b" * 250)), width=80)
    table = text.partition("error: ")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "InvalidCACertificateRef" in table


def test_each_tenant_has_a_table(shown: Shown) -> None:
    """LoadBalancers of two tenants are not shown as if they were neighbours."""
    text = shown(loadbalancer("web"), loadbalancer("web", namespace="tenant-b"))
    assert text.index("Tenant tenant-a") < text.index("Tenant tenant-b")


def test_markup_in_contents_is_text(shown: Shown) -> None:
    """What looks like the terminal library's markup is printed as it is."""
    text = shown(loadbalancer("web", tls={"policy": "[red]Verify[/red]"}))
    assert '"[red]Verify[/red]" is neither Insecure nor Verify' in text


def test_the_last_line_counts(shown: Shown) -> None:
    """The last line says how much was found."""
    text = shown(
        loadbalancer("a", hostname="x"), loadbalancer("b", port=20002, hostname="x", tls=verify("ca"))
    )
    assert text.splitlines()[-1] == "2 LoadBalancers, 1 error, 2 warnings"


def test_a_pipe_gets_the_width_that_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no terminal gives a width, names are not broken at 80 columns."""
    name = "a" * 70
    write(tmp_path, "a.yaml", loadbalancer(name))
    print_report(validate([tmp_path], options=Options(), now=NOW))
    assert name in capsys.readouterr().out
