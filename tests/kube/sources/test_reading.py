from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.objects import InvalidObject, LoadBalancer, Secret
from kube.sources.parsed import Unparsable
from kube.sources.reading import Reading, Skipped, read
from tests.kube.sources.manifests import lb, load_balancer

MARKER = "hunter2"


def outcome(data: bytes, *, is_json: bool) -> Reading | Unparsable:
    """Return what a file says, or why it cannot be parsed; let pass whatever else is raised."""
    try:
        return read(data, is_json=is_json)
    except Unparsable as error:
        return error


def test_objects_are_found_under_their_names() -> None:
    """A file's objects are found under their names, with the lines they begin in."""
    reading = read((load_balancer("a") + "---\n" + load_balancer("b")).encode(), is_json=False)
    assert {ref: (entry.line, type(entry.value)) for ref, entry in reading.entries.items()} == {
        lb("a"): (1, LoadBalancer),
        lb("b"): (12, LoadBalancer),
    }


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secrets_ca_is_read_from_both_fields(field: str) -> None:
    """A Secret's CA is taken from base64 and from plain text alike."""
    value = "some PEM" if field == "stringData" else base64.b64encode(b"some PEM").decode()
    text = (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: ca, namespace: t}}\n{field}: {{ca.crt: {value}}}\n"
    )
    (entry,) = read(text.encode(), is_json=False).entries.values()
    assert isinstance(entry.value, Secret)
    assert entry.value.ca_crt == b"some PEM"


def test_an_invalid_object_stands_under_its_name() -> None:
    """An invalid object is found under its name, as what is wrong with it."""
    reading = read(load_balancer("a", port=0).encode(), is_json=False)
    value = reading.entries[lb("a")].value
    assert isinstance(value, InvalidObject)
    assert [fault.path for fault in value.faults] == ["spec.ports[0].port"]


def test_an_object_without_a_name_is_a_stray() -> None:
    """An invalid object that has no name to stand under is told with its line and its faults."""
    text = "# first\n" + load_balancer("a").replace("  name: a\n", "")
    reading = read(text.encode(), is_json=False)
    ((line, reason),) = reading.strays
    assert (line, reading.entries) == (2, {})
    assert "metadata.name" in reason


def test_other_kinds_are_skipped() -> None:
    """A document of another kind is told with its line, kind and version."""
    reading = read(b"\napiVersion: apps/v1\nkind: Deployment\n", is_json=False)
    assert reading == Reading({}, (), (), (Skipped(2, "Deployment", "apps/v1"),))


# Places for a value that a user forgot to quote, or that a slip of the keyboard made syntax.
ODD_SECRETS = [
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: %s\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  ca.crt: %s\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: %s\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: [%s]\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: |\n%s\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n\t%s\n",
    'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: "%s}\n',
    '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": %s}}',
    '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"ca.crt": "%s"}}',
    "apiVersion: v1\nkind: SecretList\nitems:\n- data: {ca.crt: %s}\n",
    "apiVersion: v1\nkind: SecretList\nitems: %s\n",
]
SIGNS = ["", "!", "*", "&", "%", "@", "`", "|", ">", "'", '"', "- ", "? ", ": ", "{", "[", "\t", "\x00", "\\"]


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("template", ODD_SECRETS)
def test_nothing_that_is_said_shows_a_secret(template: str, sign: str, *, is_json: bool) -> None:
    """Whatever is wrong with a Secret, and wherever in the syntax its value lands, no message has it."""
    result = outcome((template % (sign + MARKER)).encode(), is_json=is_json)
    assert MARKER not in str(result)
    if isinstance(result, Reading):
        assert MARKER not in "".join(str(entry.value) for entry in result.entries.values())


WORDS = st.sampled_from(
    [
        *(
            "apiVersion",
            "kind",
            "metadata",
            "spec",
            "items",
            "name",
            "namespace",
            "endpoints",
            "ports",
            "port",
        ),
        *(
            "kubelb.k8c.io/v1alpha1",
            "LoadBalancer",
            "Addresses",
            "Secret",
            "SecretList",
            "List",
            "v1",
            "data",
        ),
        *(
            "stringData",
            "ca.crt",
            "status",
            "labels",
            "upstreamTLS",
            "addresses",
            "ip",
            "\ud800",
            "\x00",
            "<<",
            "",
        ),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_any_json_is_read_or_refused(value: object) -> None:
    """Whatever values a JSON file holds, it is read, unless one of them holds half a character."""
    text = json.dumps(value)
    result = outcome(text.encode(), is_json=True)
    assert isinstance(result, Unparsable) == (r"\ud800" in text)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*":-{}[],&*!|>'\"%@#? \n\t\r", "a", "kind", "Secret", "- ", ": ", "\n  ", "<<", "é", "\u2028"]
        )
    )
)
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    """Whatever text a YAML file holds, it is read or said to be unparsable from a line that it has."""
    text = "".join(parts)
    result = outcome(text.encode(), is_json=False)
    if isinstance(result, Unparsable) and result.line is not None:
        assert 1 <= result.line <= len(text.splitlines()) + 1


@settings(deadline=None)
@given(data=st.binary(max_size=200), is_json=st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, *, is_json: bool) -> None:
    """Whatever bytes a file holds, they are read or said to be unparsable, the latter always if they are no UTF-8."""
    result = outcome(data, is_json=is_json)
    if data.decode(errors="replace").encode() != data:
        assert isinstance(result, Unparsable)
