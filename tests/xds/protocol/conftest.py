import pytest


@pytest.fixture(params=[False, True], ids=["sotw", "delta"])
def delta(request: pytest.FixtureRequest) -> bool:
    """Return each variant of the protocol in turn."""
    variant: bool = request.param
    return variant
