"""The golden cases: a folder each under tests/golden, what is in them, and what the translation makes of it.

`input.yaml` holds LoadBalancers, Addresses and Secrets, `options.yaml` (where there is one) settings, and
`output.yaml` what has to come out: the resources as Envoy's own JSON has them, and what the owners are told.
The cases share no name and no listener port, so that one Envoy can serve them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from kube.objects import KubeObject, LoadBalancer, decode
from tests.xds.translate.make import NOW, Objects
from xds.messages import Cluster, ClusterLoadAssignment, Listener, to_dict
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER
from xds.translate import Options, PortTable, Translation, conditions, translate

FOLDER: Final = Path(__file__).parents[2] / "golden"
_KINDS: Final = {
    "clusters": (CLUSTER, Cluster),
    "assignments": (ENDPOINT, ClusterLoadAssignment),
    "listeners": (LISTENER, Listener),
}


@dataclass(frozen=True)
class Case:
    """One golden case by its folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def output(self) -> Path:
        """Where the golden output lies."""
        return self.folder / "output.yaml"

    def expected(self) -> dict[str, Any]:
        """Return the contents of output.yaml."""
        contents: dict[str, Any] = yaml.load(self.output.read_text(encoding="utf-8"), yaml.CSafeLoader)
        return contents

    def objects(self) -> list[KubeObject]:
        """Return the objects of input.yaml."""
        documents = yaml.load_all((self.folder / "input.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
        return [decode(document) for document in documents]

    def options(self) -> Options:
        """Return the settings of options.yaml, or the defaults."""
        path = self.folder / "options.yaml"
        return Options(**yaml.safe_load(path.read_text())) if path.exists() else Options()

    def translations(self) -> dict[str, Translation]:
        """Translate every LoadBalancer, by `namespace/name`, with the ports that it gets beside the others."""
        objects = self.objects()
        lbs = sorted((o for o in objects if isinstance(o, LoadBalancer)), key=lambda lb: lb.ref)
        tables: dict[str, PortTable] = {}
        for lb in lbs:
            tables.setdefault(lb.metadata.namespace, PortTable()).update(lb.metadata.name, lb)
        return {
            f"{lb.metadata.namespace}/{lb.metadata.name}": translate(
                lb,
                lookups=Objects(*objects),
                ports=tables[lb.metadata.namespace].ports_of(lb.metadata.name),
                options=self.options(),
                now=NOW,
            )
            for lb in lbs
        }


def cases() -> list[Case]:
    """Return all golden cases, in the order of their names."""
    return [Case(path.parent) for path in sorted(FOLDER.glob("*/input.yaml"))]


def rendered(translations: dict[str, Translation]) -> dict[str, Any]:
    """Return what output.yaml holds for these translations: plain dicts, lists and texts."""
    resources = [resource for translation in translations.values() for resource in translation.resources]
    output = {
        "load_balancers": {name: _outcome(translation) for name, translation in translations.items()},
        **{kind: list(_messages(resources, kind)) for kind in _KINDS},
    }
    plain: dict[str, Any] = _with_sorted_maps(msgspec.json.decode(msgspec.json.encode(output)))
    return plain


def _with_sorted_maps(value: Any) -> Any:
    """Sort the access log's format: it is a protobuf map, which comes in another order in every process."""
    if isinstance(value, list):
        return [_with_sorted_maps(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: dict(sorted(item.items())) if key == "json_format" else _with_sorted_maps(item)
        for key, item in value.items()
    }


def _outcome(translation: Translation) -> dict[str, Any]:
    return {
        "ports": translation.ports,
        "findings": translation.findings,
        "conditions": conditions(translation.findings, generation=1),
        "recheck_at": translation.recheck_at,
    }


def _messages(resources: list[Resource], kind: str) -> Iterator[dict[str, Any]]:
    type_url, cls = _KINDS[kind]
    for resource in resources:
        if resource.type_url == type_url:
            yield to_dict(resource.message(cls))


def text_of(output: dict[str, Any]) -> str:
    """Return the text of an output.yaml."""
    text: str = yaml.dump(output, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
