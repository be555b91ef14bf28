"""What all tests share: an option, the API server, the marks that say what a test needs, and that nothing is skipped in CI."""

import pytest

from tests.support.kube_fixtures import (
    admin,
    api_server,
    fault_proxy,
    kube_programs,
    namespace,
    own_api_server,
)
from tests.support.no_skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = [
    "admin",
    "api_server",
    "fault_proxy",
    "kube_programs",
    "namespace",
    "own_api_server",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
]

_NEEDS = {"kube_programs": "kubernetes", "envoy_binary": "envoy"}
"""The mark of a test that uses a fixture, directly or through others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="write the golden outputs anew")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by what they need, before ``-m`` chooses among them."""
    for item in items:
        for fixture, mark in _NEEDS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)
