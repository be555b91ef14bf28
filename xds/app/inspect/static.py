"""What a tenant is served as one static configuration that Envoy takes: `envoy --mode validate` says whether it is right.

Nothing is fetched any more: a cluster whose endpoints come by EDS becomes STATIC and carries them, and PEM is text. It is
complete; only human views summarise.
"""

import base64
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import yaml

from xds.messages import debug_pb2 as pb
from xds.messages import to_dict
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, short

_PEM: Final = ("trusted_ca", "crl", "certificate_chain")
"""Data sources whose bytes are text, if they are."""


class Static(NamedTuple):
    """A bootstrap as JSON-able data, and what of the resources it has no place for: how many of which type."""

    bootstrap: dict[str, Any]
    left_out: dict[str, int]
    redacted: tuple[str, ...]


def static_of(tenant: str, resources: Iterable[pb.ServedResource]) -> Static:
    """Return the static configuration of a tenant's resources.

    An assignment of no cluster among them becomes a cluster of its name that has nothing but its endpoints.
    """
    by_type: dict[str, dict[str, Any]] = {}
    redacted: list[str] = []
    for resource in resources:
        by_type.setdefault(resource.type_url, {})[resource.name] = _content(resource)
        redacted += [f"{short(resource.type_url)} {resource.name}: {path}" for path in resource.redacted]
    assignments = by_type.pop(ENDPOINT, {})
    clusters = [_static(cluster, assignments) for cluster in by_type.pop(CLUSTER, {}).values()]
    clusters += [
        {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": assignment}
        for name, assignment in assignments.items()
    ]
    listeners = list(by_type.pop(LISTENER, {}).values())
    bootstrap = {
        "node": {"id": f"{tenant}-dump", "cluster": tenant},
        "static_resources": {"clusters": clusters, "listeners": listeners},
    }
    return Static(bootstrap, {type_url: len(found) for type_url, found in by_type.items()}, tuple(redacted))


def _content(resource: pb.ServedResource) -> dict[str, Any]:
    """Return a resource's fields by Envoy's own names."""
    fields: dict[str, Any] = to_dict(resource.resource)
    del fields["@type"]
    _write_pem(fields)
    return fields


def _static(cluster: dict[str, Any], assignments: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster with its endpoints, which it takes out of the assignments."""
    if cluster.get("type") != "EDS":
        return cluster
    name = cluster.pop("eds_cluster_config", {}).get("service_name") or cluster["name"]
    assignment = assignments.pop(name, {"cluster_name": name})
    return {**cluster, "type": "STATIC", "load_assignment": assignment}


def _write_pem(value: Any) -> None:
    """Write PEM as the text that it is, wherever it stands."""
    if isinstance(value, list):
        for each in value:
            _write_pem(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in _PEM and isinstance(each, dict) and "inline_bytes" in each:
                text = _text(each["inline_bytes"])
                if text is not None:
                    value[key] = {"inline_string": text}
            else:
                _write_pem(each)


def _text(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        return None


class _Dumper(yaml.CSafeDumper):
    """Writes text of several lines as it reads."""


def _represent(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    # A carriage return or a space before the line's end cannot stand in a block.
    block = "\n" in text and "\r" not in text and " \n" not in text and text.isascii()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)


_Dumper.add_representer(str, _represent)
# What protobuf makes of an Any.
_Dumper.add_multi_representer(dict, yaml.CSafeDumper.represent_dict)


def as_yaml(bootstrap: dict[str, Any]) -> str:
    """Return a bootstrap as YAML, in the order of its fields."""
    text: str = yaml.dump(bootstrap, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
