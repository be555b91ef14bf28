"""The CRD manifests agree with the structs, node by node; what the schemas let pass is in test_crds_judge_alike."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from kube.objects import (
    API_VERSION,
    Addresses,
    AddressesSpec,
    LoadBalancer,
    LoadBalancerSpec,
    LoadBalancerStatus,
)
from tests.kube.objects.crds import PLURALS, crd, pattern, schema, version

BOUNDS = (
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "enum",
    "required",
)

CONDITION_BOUNDS = "what is written is held to metav1's limits; what others wrote is read all the same"
EXCEPTIONS = {
    ("spec.upstreamTLS.policy", "enum"): "a wrong policy must fail closed, so the struct reads any",
    ("status.conditions[].type", "maxLength"): CONDITION_BOUNDS,
    ("status.conditions[].type", "pattern"): CONDITION_BOUNDS,
    ("status.conditions[].reason", "minLength"): CONDITION_BOUNDS,
    ("status.conditions[].reason", "maxLength"): CONDITION_BOUNDS,
    ("status.conditions[].reason", "pattern"): CONDITION_BOUNDS,
    ("status.conditions[].message", "maxLength"): CONDITION_BOUNDS,
    ("status.conditions[].observedGeneration", "minimum"): CONDITION_BOUNDS,
    (
        "status.conditions[]",
        "required",
    ): "translation has no clock: a condition gets its time when it is written",
    ("status", "properties"): "layer 7's hostname is in the CRD for its printer column, and in no struct",
}


def differences(
    struct: dict[str, Any], crd: dict[str, Any], path: str, defs: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield (path, keyword) wherever the schema of a struct and that of a CRD differ."""
    struct = resolved(struct, defs)
    if type_of(struct) != type_of(crd):
        yield path, "type"
    for keyword in BOUNDS:
        ours, theirs = struct.get(keyword), crd.get(keyword)
        if keyword == "pattern" and theirs is not None:
            theirs = pattern(theirs)
        if keyword in {"required", "enum"}:
            ours, theirs = sorted(ours or []), sorted(theirs or [])
        if ours != theirs:
            yield path, keyword
    # What a struct takes for granted without saying so in the CRD is the same as nothing: "", 0, [], {} and null.
    if (struct.get("default") or None) != crd.get("default"):
        yield path, "default"
    ours, theirs = struct.get("properties", {}), crd.get("properties", {})
    if ours.keys() != theirs.keys():
        yield path, "properties"
    for name in ours.keys() & theirs.keys():
        yield from differences(ours[name], theirs[name], f"{path}.{name}", defs)
    if struct.get("items") or crd.get("items"):
        yield from differences(struct["items"], crd["items"], f"{path}[]", defs)


def resolved(node: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and take a field that may be None for what it is otherwise: a CRD just does not require it."""
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        node = {**node, **options[0]}
    if "$ref" in node:
        node = {**defs[node["$ref"].rpartition("/")[2]], **node}
    return node


def type_of(node: dict[str, Any]) -> str:
    """Return the type that a schema allows: the choices of an enum are strings, here as there."""
    if node.get("x-kubernetes-int-or-string") or {option.get("type") for option in node.get("anyOf", ())} == {
        "integer",
        "string",
    }:
        return "integer or string"
    return str(node.get("type") or ("string" if "enum" in node else "none"))


@pytest.mark.parametrize(
    ("kind", "part", "struct"),
    [
        ("LoadBalancer", "spec", LoadBalancerSpec),
        ("LoadBalancer", "status", LoadBalancerStatus),
        ("Addresses", "spec", AddressesSpec),
    ],
)
def test_schemas_and_structs_agree(kind: str, part: str, struct: type[msgspec.Struct]) -> None:
    """Fields, types, defaults, bounds, enums and what is required are the same in both, but for the exceptions above."""
    (ours,), defs = msgspec.json.schema_components([struct])
    found = set(differences(ours, schema(kind, part), part, defs))
    expected = {key for key in EXCEPTIONS if key[0].split(".")[0] == part and kind == "LoadBalancer"}
    assert found == expected


def test_the_walk_notices_every_difference() -> None:
    """The comparison itself finds a field, a bound, a default, a type or an enum that is different on either side."""
    (ours,), defs = msgspec.json.schema_components([LoadBalancerSpec])
    theirs = msgspec.json.decode(msgspec.json.encode(schema("LoadBalancer", "spec")))
    ports = theirs["properties"]["ports"]
    ports["maxItems"] = 1
    ports["items"]["properties"]["port"]["type"] = "string"
    ports["items"]["properties"]["name"]["pattern"] = "^x$"
    ports["items"]["required"] = []
    del ports["items"]["properties"]["protocol"]["default"]
    theirs["properties"]["persistence"]["properties"]["type"]["enum"] += ["Cookie"]
    theirs["properties"]["upstreamTLS"]["properties"]["sni"] = {"type": "string"}
    del theirs["properties"]["hostname"]
    assert set(differences(ours, theirs, "spec", defs)) == {
        ("spec.ports", "maxItems"),
        ("spec.ports[].port", "type"),
        ("spec.ports[].name", "pattern"),
        ("spec.ports[]", "required"),
        ("spec.ports[].protocol", "default"),
        ("spec.persistence.type", "enum"),
        ("spec.upstreamTLS.policy", "enum"),
        ("spec.upstreamTLS", "properties"),
        ("spec", "properties"),
    }


@pytest.mark.parametrize("kind", PLURALS)
def test_crds_are_named_as_the_objects_are(kind: str) -> None:
    """Group, version, kind and plural are those under which the objects are read."""
    manifest = crd(kind)
    spec = manifest["spec"]
    assert f"{spec['group']}/{version(kind)['name']}" == API_VERSION
    assert manifest["metadata"]["name"] == f"{PLURALS[kind]}.{spec['group']}"
    assert (spec["names"]["kind"], spec["names"]["plural"]) == (kind, PLURALS[kind])
    assert spec["scope"] == "Namespaced"
    assert version(kind)["subresources"] == {"status": {}}
    top = version(kind)["schema"]["openAPIV3Schema"]
    struct: type[msgspec.Struct] = LoadBalancer if kind == LoadBalancer.KIND else Addresses
    required = {field.encode_name for field in msgspec.structs.fields(struct) if field.required}
    assert set(top["required"]) == required - {"metadata"}


def test_kubectl_shows_what_matters() -> None:
    """`kubectl get lb` shows policy, CA Secret, Programmed and where the LoadBalancer comes from."""
    assert crd("LoadBalancer")["spec"]["names"]["shortNames"] == ["lb"]
    columns = {one["name"]: one["jsonPath"] for one in version("LoadBalancer")["additionalPrinterColumns"]}
    assert columns == {
        "Policy": ".spec.upstreamTLS.policy",
        "CA Secret": ".spec.upstreamTLS.caSecretRef.name",
        "Programmed": '.status.conditions[?(@.type=="Programmed")].status',
        "Accepted": '.status.conditions[?(@.type=="Accepted")].status',
        "Resolved-Refs": '.status.conditions[?(@.type=="ResolvedRefs")].status',
        "Origin-Name": r".metadata.labels.kubelb\.k8c\.io/origin-name",
        "Origin-NS": r".metadata.labels.kubelb\.k8c\.io/origin-ns",
        "Hostname": ".status.hostname.hostname",
        "Age": ".metadata.creationTimestamp",
    }


@pytest.mark.parametrize("kind", PLURALS)
def test_every_field_is_described(kind: str) -> None:
    """`kubectl explain` has a sentence for each field."""

    def undescribed(node: dict[str, Any], path: str) -> Iterator[str]:
        if "description" not in node:
            yield path
        for name, child in node.get("properties", {}).items():
            yield from undescribed(child, f"{path}.{name}")
        if "items" in node:
            yield from undescribed(node["items"], f"{path}[]")

    assert list(undescribed(version(kind)["schema"]["openAPIV3Schema"], kind)) == [f"{kind}.metadata"]


def test_rules_have_messages_and_bounded_lists() -> None:
    """Each CEL rule says what is wrong in words, and each list above a rule is bounded, or the API server refuses the CRD."""

    def rules(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from node.get("x-kubernetes-validations", ())
        for child in [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]:
            inner = list(rules(child))
            assert not inner or node.get("type") != "array" or "maxItems" in node
            yield from inner

    found = [rule for kind in PLURALS for rule in rules(schema(kind, "spec"))]
    assert len(found) == 5
    assert all(rule["message"] for rule in found)


def test_policy_is_an_enum_and_verify_needs_no_secret() -> None:
    """The API server refuses other policies, and takes Verify without caSecretRef, as the reference documents."""
    tls = schema("LoadBalancer", "spec")["properties"]["upstreamTLS"]
    assert tls["properties"]["policy"]["enum"] == ["Insecure", "Verify"]
    assert tls["required"] == ["policy"]
    assert "x-kubernetes-validations" not in tls


def test_an_address_is_the_same_in_both() -> None:
    """Addresses holds what an endpoint group can list itself: one schema, one rule."""
    group = schema("LoadBalancer", "spec")["properties"]["endpoints"]["items"]
    assert (
        schema("Addresses", "spec")["properties"]["addresses"]["items"]
        == group["properties"]["addresses"]["items"]
    )
