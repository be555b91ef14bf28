"""The contents of one manifest file, as the documents that `kube.objects.decode` takes, each with its line.

Lists (`kind: List`, and typed ones such as LoadBalancerList, as the API server returns them) are unfolded
here. It does not know which kinds there are, nor where the bytes come from.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kube.sources.json_text import parse_json
from kube.sources.parsed import Parsed, Unparsable
from kube.sources.yaml_text import parse_yaml


class Document(NamedTuple):
    """One object as it is written, and the line it begins in (from 1; in JSON, that of its list)."""

    line: int
    content: Mapping[str, Any]


class Stray(NamedTuple):
    """Something that stands where an object belongs and is none, and why."""

    line: int
    reason: str


def documents(data: bytes, *, is_json: bool) -> Iterator[Document | Stray]:
    """Yield everything that a file holds, in its order.

    Raises Unparsable when the file is no YAML (or JSON), and when it is empty: an editor, a shell's `>` and a
    full disk all leave an empty file for a while, so emptiness is no way to say that the objects should go.
    """
    text = _text(data)
    if not text.strip():
        raise Unparsable(
            None, "the file is empty: delete it, or leave a comment in it, to remove its objects"
        )
    for parsed in parse_json(text) if is_json else parse_yaml(text.encode()):
        if parsed.content is not None:
            yield from _unfold(parsed.content, parsed.line, parsed)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unparsable(line, "the text is not UTF-8: save the file as UTF-8") from None


def _unfold(content: Any, line: int, parsed: Parsed) -> Iterator[Document | Stray]:
    """Yield the objects that a document stands for: itself, or a list's items."""
    if not isinstance(content, dict):
        yield Stray(line, "no object: a manifest is a mapping with apiVersion, kind and metadata")
        return
    kind = content.get("kind")
    if not isinstance(kind, str) or not kind:
        yield Stray(line, "an object without a kind: say what it is with apiVersion and kind")
    elif kind.endswith("List") and "items" in content:
        items = content["items"] or []
        if not isinstance(items, list):
            yield Stray(line, f"the items of a {kind} must be a list")
            return
        # The items of a typed list do not repeat what the list says of them.
        typed = (
            {}
            if kind == "List"
            else {"apiVersion": content.get("apiVersion"), "kind": kind.removesuffix("List")}
        )
        for item in items:
            whole = {**typed, **item} if isinstance(item, dict) else item
            yield from _unfold(whole, parsed.lines.get(id(item), line), parsed)
    else:
        yield Document(line, content)
