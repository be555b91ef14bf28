"""What the API server refuses and what `decode` refuses are the same, but for policy (any is read, so that it fails closed)."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
from hypothesis import given, settings

from tests.kube.objects.crds import pattern, schema
from tests.kube.objects.documents import faults, load_balancer
from tests.kube.objects.mutations import mutated
from tests.support.examples import examples


def closed(node: Any) -> Any:
    """Return a CRD's schema as JSON Schema (draft 4, as OpenAPI 3.0 has it), where fields that are not listed are refused.

    So does `kubectl apply` (server-side field validation, Strict).
    """
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: closed(value) for key, value in node.items() if not key.startswith("x-kubernetes")}
    if "properties" in node and isinstance(node.get("type"), str):
        node["additionalProperties"] = False
    if isinstance(node.get("pattern"), str):
        node["pattern"] = pattern(node["pattern"])
    return node


def validator() -> jsonschema.Draft4Validator:
    """Return the CRD's schema of a spec, without the enum of policy."""
    spec = copy.deepcopy(schema("LoadBalancer", "spec"))
    del spec["properties"]["upstreamTLS"]["properties"]["policy"]["enum"]
    checker = jsonschema.FormatChecker(formats=["ipv4", "ipv6"])
    return jsonschema.Draft4Validator(closed(spec), format_checker=checker)


VALIDATOR = validator()


def broken_rules(spec: dict[str, Any]) -> Iterator[str]:
    """Yield where a spec that fits the schema breaks a rule of CEL or of list-map-keys, in the words of the CRD."""
    for group in spec["endpoints"]:
        if not group.get("addresses") and "addressesReference" not in group:
            yield "must have addresses or addressesReference"
        for address in group.get("addresses", []):
            if not address.get("ip") and not address.get("hostname"):
                yield "must have ip or hostname"
    for ports in (spec.get("ports", []), *(group["ports"] for group in spec["endpoints"])):
        names = [port["name"] for port in ports if port.get("name")]
        if len(set(names)) < len(names):
            yield "each port needs a name of its own, or none"
        keys = [(port["port"], port.get("protocol", "TCP")) for port in ports]
        if len(set(keys)) < len(keys):
            yield "duplicate list-map-keys"


@settings(max_examples=examples(1000), deadline=None)
@given(mutated())
def test_schema_and_decode_judge_alike(spec: dict[str, Any]) -> None:
    """A spec is refused by `decode` exactly when the CRD's schema or one of its rules refuses it."""
    refused_by_crd = not VALIDATOR.is_valid(spec) or any(broken_rules(spec))
    assert bool(faults(load_balancer(**spec) | {"spec": spec})) == refused_by_crd
