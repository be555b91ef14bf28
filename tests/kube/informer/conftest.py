from __future__ import annotations

import pytest

from kube.informer.store import Store
from tests.kube.informer.things import names_of


@pytest.fixture
def store() -> Store:
    """Return an empty store of things, which expects no source."""
    return Store(references=names_of)
