"""The CRD manifests under deploy/, as tests look at them."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "deploy" / "crds"
PLURALS = {"LoadBalancer": "loadbalancers", "Addresses": "addresses"}


@cache
def crd(kind: str) -> dict[str, Any]:
    """Return the manifest of a kind."""
    loaded: dict[str, Any] = yaml.safe_load(
        (FOLDER / f"kubelb.k8c.io_{PLURALS[kind]}.yaml").read_text("utf-8")
    )
    return loaded


def version(kind: str) -> dict[str, Any]:
    """Return the one version that a CRD has."""
    (only,) = crd(kind)["spec"]["versions"]
    assert isinstance(only, dict)
    return only


def schema(kind: str, part: str) -> dict[str, Any]:
    """Return the schema of an object's `spec` or `status`."""
    found: dict[str, Any] = version(kind)["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def pattern(text: str) -> str:
    r"""Return a pattern of a CRD (RE2, where $ is the end of the text) as Python writes it (where it may stand before a newline)."""
    assert not text.endswith(r"\$")
    return text[:-1] + r"\Z" if text.endswith("$") else text
