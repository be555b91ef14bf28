"""Documents that no API server would have stored, but a YAML parser can hand over."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.objects import API_VERSION, KINDS, LoadBalancer, UnknownKind, decode
from kube.objects.walk import find_faults
from tests.kube.objects.documents import decoded, faults, grouped, load_balancer
from tests.kube.objects.mutations import mutated

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=4)
    | st.dates()
    | st.datetimes()
)
KEYS = (
    st.text(max_size=4)
    | st.sampled_from(["name", "ip", "ports", "data", "spec"])
    | st.integers()
    | st.none()
    | st.dates()
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    parts=st.dictionaries(
        st.sampled_from(["metadata", "spec", "status", "data", "stringData", "x"]) | KEYS, ANYTHING
    ),
    strict=st.booleans(),
)
def test_no_document_raises_anything_else(kind: str, parts: dict[Any, Any], *, strict: bool) -> None:
    """Whatever YAML can hold is an object or an InvalidObject with a text."""
    version = "v1" if kind == "Secret" else API_VERSION
    for text in faults({**parts, "kind": kind, "apiVersion": version}, strict=strict):
        assert text.encode()


@settings(deadline=None)
@given(ANYTHING, ANYTHING)
def test_no_type_raises_anything_else(kind: Any, api_version: Any) -> None:
    """Whatever stands for kind and apiVersion is an unknown kind with a text."""
    with pytest.raises(UnknownKind) as caught:
        decode({"kind": kind, "apiVersion": api_version})
    assert str(caught.value)


@settings(deadline=None)
@given(mutated(junk=SCALARS))
def test_the_walker_and_msgspec_agree(spec: dict[str, Any]) -> None:
    """The list of faults is empty exactly when msgspec takes the document: neither lets pass what the other refuses."""
    body = {key: value for key, value in load_balancer().items() if key == "metadata"} | {"spec": spec}
    try:
        msgspec.convert(body, LoadBalancer)
    except msgspec.ValidationError:
        taken = False
    else:
        taken = True
    lone_surrogate = "surrogate" in str(found := find_faults(body, LoadBalancer, strict=False, redact=False))
    assert lone_surrogate or taken == (not found)


def test_cycles_end() -> None:
    """A document that contains itself is described in finite words."""
    cycle: dict[str, Any] = {}
    cycle["spec"] = cycle
    texts = faults({**load_balancer(), "spec": cycle})
    assert [text.split(" is ")[0] for text in texts] == [
        "spec.spec: {'spec': {'spec': {...}}}",
        "spec.endpoints",
    ]
    document = load_balancer()
    document["status"] = {"loadBalancer": cycle}
    assert decoded(document).status.load_balancer["spec"]


def test_keys_that_are_no_strings_are_faults() -> None:
    """Keys of other types are named, strict or not."""
    document = load_balancer()
    document["spec"] |= {1: "a", None: "b", dt.date(2026, 1, 1): "c"}
    for strict in (True, False):
        assert faults(document, strict=strict) == [
            "spec.1: 'a' is not allowed: a field's name must be a string",
            "spec.null: 'b' is not allowed: a field's name must be a string",
            "spec.datetime.date(2026, 1, 1): 'c' is not allowed: a field's name must be a string",
        ]


def test_long_values_are_shortened() -> None:
    """However long a value or a key is, its fault is a line."""
    document = grouped(
        addresses=[{"ip": "x" * 100_000}, {"ip": 1 << 100_000}, {"y" * 100_000: ["z" * 100_000] * 9}]
    )
    texts = faults(document)
    assert len(texts) == 4
    assert max(map(len, texts)) < 300


def test_text_that_utf8_cannot_express_is_a_fault() -> None:
    """A lone surrogate, which YAML's escapes can make, would break every log and encoder later on."""
    assert faults(grouped(name="a\ud800")) == [
        "spec.endpoints[0].name: 'a\\ud800' is not allowed: must be text that UTF-8 can express, without lone surrogates"
    ]
    assert faults(grouped(name="ä\U0001f600")) == []


def test_dates_are_told_to_be_quoted() -> None:
    """A date that YAML has made of a text is sent back into quotes."""
    document = load_balancer()
    document["metadata"]["labels"] = {"since": dt.date(2026, 11, 23)}
    assert faults(document) == [
        "metadata.labels[since]: datetime.date(2026, 11, 23) is not allowed: must be a string, so put it in quotes"
    ]


def test_keys_that_would_break_a_line_are_quoted() -> None:
    """A key with a newline in it, or a very long one, stands in a path as a short repr."""
    document = load_balancer(**{"a\nb": 1})
    document["metadata"]["labels"] = {"c\nd": 1, "e" * 1000: 1}
    paths = [text.split(": ")[0] for text in faults(document)]
    assert paths == [
        r"metadata.labels['c\nd']",
        f"metadata.labels['{'e' * 29}...{'e' * 30}']",
        r"spec.'a\nb'",
    ]
