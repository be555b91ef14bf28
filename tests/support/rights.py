"""The rights that deploy/rbac.yaml gives the program, one by one: a verb on a resource, for all names or for one.

What a test binds to an identity of its own is made out of that file, so that no list beside it can go stale.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml

RBAC: Final = Path(__file__).parents[2] / "deploy" / "rbac.yaml"

Rule = dict[str, Any]
Scope = Literal["tenants", "own"]
"""Whom the ClusterRole is for, and whom the Role: the namespaces of tenants, and the program's own."""


class Right(NamedTuple):
    """One verb on one resource, of the ClusterRole ("tenants") or the Role ("own"); ``name`` is empty where it holds for all."""

    scope: Scope
    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.scope}: {self.verb} {self.resource}{f' {self.name}' if self.name else ''}"

    @property
    def rule(self) -> Rule:
        """The rule that gives this right and no other."""
        named = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]} | named


def rights() -> tuple[Right, ...]:
    """Return every right of deploy/rbac.yaml."""
    return tuple(_rights())


def _rights() -> Iterator[Right]:
    scopes: dict[str, Scope] = {"ClusterRole": "tenants", "Role": "own"}
    for thing in yaml.safe_load_all(RBAC.read_text(encoding="utf-8")):
        for rule in thing.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            yield Right(scopes[thing["kind"]], group, resource, verb, name)
