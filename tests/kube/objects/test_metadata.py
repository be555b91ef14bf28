from typing import Any

import pytest

from kube.objects import InvalidObject, ObjectRef, UnknownKind, decode
from tests.kube.objects.documents import decoded, faults, load_balancer

SUBDOMAIN = "must be a DNS name: at most 253 lower case letters, digits, inner hyphens and inner dots"
LABEL = "must be a DNS label: at most 63 lower case letters, digits and inner hyphens"


def with_metadata(**metadata: Any) -> dict[str, Any]:
    """Return a LoadBalancer with this metadata and no other."""
    return {**load_balancer(), "metadata": metadata}


@pytest.mark.parametrize("namespace", [{}, {"namespace": None}, {"namespace": ""}])
def test_a_missing_namespace_is_default(namespace: dict[str, Any]) -> None:
    """An object without a namespace is in `default`, as kubectl has it."""
    assert decoded(with_metadata(name="a", **namespace)).ref == ObjectRef("LoadBalancer", "default", "a")


@pytest.mark.parametrize("metadata", [{}, {"name": None}, {"name": ""}])
def test_a_name_is_required(metadata: dict[str, Any]) -> None:
    """An object without a name is told so, and is named as well as can be."""
    assert faults(with_metadata(**metadata)) == [f"metadata.name is missing: {SUBDOMAIN}"]
    without = load_balancer()
    del without["metadata"]
    assert faults(without) == [f"metadata.name is missing: {SUBDOMAIN}"]


@pytest.mark.parametrize("name", ["a", "a.b-c.1", "0", "a" * 253])
def test_names_are_dns_names(name: str) -> None:
    """What Kubernetes takes as a name is taken."""
    assert decoded(with_metadata(name=name)).metadata.name == name


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a.", "a..b", "a\n", "a" * 254, "ä"])
def test_other_names_are_faults(name: str) -> None:
    """What Kubernetes refuses as a name is a fault."""
    (text,) = faults(with_metadata(name=name))
    assert text.startswith("metadata.name: ")
    assert text.endswith(SUBDOMAIN)


@pytest.mark.parametrize("namespace", ["A", "a.b", "a" * 64])
def test_namespaces_are_dns_labels(namespace: str) -> None:
    """A namespace has no dots and at most 63 characters."""
    (text,) = faults(with_metadata(name="a", namespace=namespace))
    assert (
        text
        == f"metadata.namespace: {text.split(': ')[1].removesuffix(' is not allowed')} is not allowed: {LABEL}"
    )


def test_what_the_api_server_adds_is_read_or_ignored() -> None:
    """Metadata may hold any fields, and nulls, as `kubectl get -o yaml` and `--dry-run` write them."""
    meta = decoded(
        with_metadata(
            name="a",
            namespace="b",
            uid="u",
            resourceVersion="7",
            generation=2,
            labels={"kubelb.k8c.io/origin-name": "web"},
            annotations=None,
            deletionTimestamp="2026-11-23T10:00:00Z",
            finalizers=["kubelb.k8c.io/cleanup"],
            creationTimestamp=None,
            managedFields=[{"manager": "kubectl"}],
            ownerReferences=[],
        )
    ).metadata
    assert (meta.uid, meta.resource_version, meta.generation) == ("u", "7", 2)
    assert meta.labels == {"kubelb.k8c.io/origin-name": "web"}
    assert meta.annotations == {}
    assert meta.deletion_timestamp == "2026-11-23T10:00:00Z"
    assert meta.finalizers == ("kubelb.k8c.io/cleanup",)


def test_labels_and_annotations_are_strings() -> None:
    """A number or a truth value in a label or annotation is a fault with the remedy, as in Kubernetes."""
    assert faults(with_metadata(name="a", labels={"n": 1}, annotations={"b": True, 2: "c"})) == [
        "metadata.labels[n]: 1 is not allowed: must be a string, so put it in quotes",
        "metadata.annotations[b]: true is not allowed: must be a string, so put it in quotes",
        "metadata.annotations[2]: 2 is not allowed: must be a string, so put it in quotes",
    ]


@pytest.mark.parametrize(
    ("document", "kind", "api_version"),
    [
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "ConfigMap", "v1"),
        ({}, "", ""),
        ({"kind": None, "apiVersion": 1}, "", "1"),
        ({"kind": ["Secret"], "apiVersion": "v1"}, "['Secret']", "v1"),
        ({"kind": "secret", "apiVersion": "v1"}, "secret", "v1"),
        ({"kind": "a\nb", "apiVersion": "v1"}, r"'a\nb'", "v1"),
    ],
)
def test_other_kinds_are_unknown(document: dict[str, Any], kind: str, api_version: str) -> None:
    """A document of any other kind, or of none, is no invalid object but an unknown one."""
    with pytest.raises(UnknownKind) as caught:
        decode(document)
    assert (caught.value.kind, caught.value.api_version) == (kind, api_version)


def test_a_name_that_could_break_a_log_line_is_not_in_the_ref() -> None:
    """Where metadata is beyond reading, the error's text is still one line."""
    odd: tuple[Any, ...] = ({"name": "a\nb"}, {"name": "a" * 1000}, {"name": 5}, "a", [], {"namespace": {}})
    for metadata in odd:
        with pytest.raises(InvalidObject, match=r"\ALoadBalancer default/: [^\n]{1,400}\Z"):
            decode({**load_balancer(), "metadata": metadata})
