import json
import resource
import sys
from dataclasses import fields
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest
import typer.main

from tests.support.command import run
from xds.app.cli import app, main
from xds.app.settings import CcmSettings, ServeSettings

COMMANDS = (
    *("serve", "ccm", "demo", "validate", "bootstrap", "certgen"),
    *("status", "explain", "probe", "dump", "watch"),
)
HEAVY = (
    "grpc",
    "xds.messages",
    "envoy_data_plane",
    "google.protobuf",
    "kubernetes",
    "aiohttp",
    "prometheus_client",
    "cryptography",
    "structlog",
)
SHOW_HEAVY_MODULES = f"""
import json, sys
from xds.app.cli import main
codes = [main([*command.split(), "--help"]) for command in sys.argv[1:]]
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"codes": codes, "heavy": heavy}}), file=sys.stderr)
"""


def options_of(command: str) -> dict[str, Any]:
    """Return a command's options by the names of the function's parameters."""
    group: Any = typer.main.get_command(app)
    return {option.name: option for option in group.commands[command].params}


def test_help_imports_nothing_heavy() -> None:
    """No help text needs gRPC, Envoy's messages, Kubernetes, certificates or the log's library."""
    seen = json.loads(run("", *COMMANDS, code=SHOW_HEAVY_MODULES).stderr)
    assert seen == {"codes": [0] * (len(COMMANDS) + 1), "heavy": []}


def test_help_answers_within_half_a_second() -> None:
    """`kubelb-xds --help` takes less than half a second, the start of Python included.

    It waits for nothing, so the time of the CPU is counted: other processes share the machine.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help text of a command shows a command line of it that can be copied."""
    assert main([command, "--help"]) == 0
    assert f"\n    kubelb-xds {command}" in capsys.readouterr().out.partition("  Example:")[2]


@pytest.mark.parametrize("command", [(), *((command,) for command in COMMANDS)])
def test_h_is_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`-h` prints what `--help` prints, of every command."""
    main([*command, "-h"])
    short = capsys.readouterr()
    main([*command, "--help"])
    assert short == capsys.readouterr()


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`kubelb-xds` alone says what there is."""
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("field", fields(ServeSettings), ids=lambda field: field.name)
def test_every_setting_is_an_option_of_serve(field: Any) -> None:
    """Each field of ServeSettings is an option with the same default and an environment variable."""
    option = options_of("serve")[field.name]
    # Ours comes first; what a Deployment tells a pod of itself may be another.
    first = option.envvar if isinstance(option.envvar, str) else option.envvar[0]
    assert first.startswith("KUBELB_XDS_")
    assert not option.required
    # Of an option that may be given several times, none is None.
    assert (option.default or None) == (field.default or None)


@pytest.mark.parametrize("field", fields(CcmSettings), ids=lambda field: field.name)
def test_every_setting_is_an_option_of_ccm(field: Any) -> None:
    """Each field of CcmSettings is an option with the same default and an environment variable; two have to be given."""
    option = options_of("ccm")[field.name]
    first = option.envvar if isinstance(option.envvar, str) else option.envvar[0]
    assert first.startswith("KUBELB_XDS_")
    assert option.required is (field.name in {"cluster_name", "management_kubeconfig"})
    assert option.required or option.default == field.default


@pytest.mark.parametrize("name", ["verify_without_ca", "ca_expiry_warning_days"])
def test_validate_reads_the_settings_of_serve(name: str) -> None:
    """What decides about findings is set in the same way, and the same by default, for validate and for serve."""
    ours, theirs = options_of("validate")[name], options_of("serve")[name]
    assert (ours.default, ours.envvar, ours.opts) == (theirs.default, theirs.envvar, theirs.opts)


def test_version_is_that_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--version` prints the version that is installed."""
    monkeypatch.setattr(metadata, "version", {"kubelb-xds": "1.2.3"}.__getitem__)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "kubelb-xds 1.2.3\n"


def test_version_of_a_source_tree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--version` says so where nothing is installed."""

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "kubelb-xds from a source tree that is not installed\n"


def test_a_demo_runs_and_its_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """`demo --keep` runs the demo with `keep`, and returns what it returns."""
    demo: Any = ModuleType("xds.app.demo.run")
    demo.run_demo = lambda *, keep: 10 + keep
    monkeypatch.setitem(sys.modules, demo.__name__, demo)
    assert [main(["demo"]), main(["demo", "--keep"])] == [10, 11]
