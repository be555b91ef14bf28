"""What all tests share: an option, the API server, the marks that say what a test needs, and that nothing is skipped in CI."""

import gc
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

from tests.support import command, docker_engine
from tests.support.examples import examples
from tests.support.kube_fixtures import (
    admin,
    api_server,
    fault_proxy,
    kube_programs,
    namespace,
    own_api_server,
    tenant_server,
)
from tests.support.no_skips import pytest_make_collect_report, pytest_runtest_makereport
from xds.app.demo.ports import share

__all__ = [
    "admin",
    "api_server",
    "fault_proxy",
    "kube_programs",
    "namespace",
    "own_api_server",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "tenant_server",
]


@pytest.fixture(autouse=True)
def logs_end_with_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Log as before after a test that ran a command in this process: what that wrote to is closed by then, and no logger keeps it."""
    configure = structlog.configure

    def without_cache(**how: Any) -> None:
        configure(**{**how, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_cache)
    yield
    structlog.reset_defaults()


_ALONE = (
    "tests/e2e/test_make_before_break",
    "tests/kube/cluster/test_least_privilege",
)
"""Tests that need the whole machine: nothing else is to run meanwhile."""

_CERTAIN_PORTS = (
    "tests/compose/test_compose_run",
    "tests/e2e/test_demo_",
    "tests/e2e/test_golden_served",
    "tests/xds/app/demo/",
    "tests/xds/app/test_bootstrap_envoy",
    "tests/xds/library/test_example",
)
"""Tests that need certain ports, as the demo's and the golden files', of which nobody else chooses any: one after another."""

_LONG = (
    "tests/tutorial/test_command",
    "tests/e2e/test_kubernetes_",
    "tests/kube/ccm/test_killed",
    "tests/e2e/test_nothing_leaks",
)
"""Tests that wait long, most of them on others: they begin first, so that nobody waits for them in the end."""

_NEEDS = {"kube_programs": "kubernetes", "envoy_binary": "envoy", "chrome": "browser"}
"""The mark of a test that uses a fixture, directly or through others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="write the golden outputs anew")


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several processes ports of its own, and have hypothesis try as many examples as there is time for."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        share(int(worker["workerid"].removeprefix("gw")), worker["workercount"])
    hypothesis.settings.register_profile("ours", max_examples=examples(100))
    hypothesis.settings.load_profile("ours")


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process the tests of a module at a time: what they share is made once. Those that need certain ports are one group."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_CERTAIN_PORTS):
            return "certain ports"
        return nodeid if nodeid.startswith(_LONG) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Distribute the tests over several processes, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return _Scheduling(config, log)


def pytest_report_header() -> str:
    """Say whether docker-compose.yml is run for real."""
    why_not = docker_engine.problem()
    return f"docker-compose.yml is parsed, and not run: {why_not}" if why_not else "docker-compose.yml is run"


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over modules and tests: they are most of what there is, and stay until the end.

    Some tests collect garbage to see what is left of them, which takes milliseconds so, and a fifth of a second else.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests by what they need, before ``-m`` chooses among them; leave out those of an engine that is not there."""
    without_engine = [item for item in items if item.get_closest_marker("docker") and docker_engine.problem()]
    if without_engine:
        config.hook.pytest_deselected(items=without_engine)
        items[:] = [item for item in items if item not in without_engine]
    items.sort(key=lambda item: not item.nodeid.startswith(_CERTAIN_PORTS + _LONG))
    for item in items:
        if item.nodeid.startswith(_ALONE):
            item.add_marker(pytest.mark.alone)
        module = item.module if isinstance(item, pytest.Function) else None
        if any(getattr(module, name, None) is getattr(command, name) for name in ("run", "serving")):
            item.add_marker(pytest.mark.process)
        for fixture, mark in _NEEDS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)
