"""JSON with the line of what is wrong in it, and without equal keys, of which Python's parser keeps the last.

It does not know what a manifest is. `kubectl get -o json` writes such files, and they may be large: the work
is left to Python's C parser, and where an error lies is looked up only once there is one.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from kube.sources.parsed import Parsed, Unparsable, the_key

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")
_STRING_OR_END_OF_OBJECT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(\})')


class _EqualKeysError(Exception):
    """Two keys of the object that ends as the `number`-th (from 0) of its document are equal."""

    def __init__(self, key: str, number: int) -> None:
        self.key = key
        self.number = number


class _Objects:
    """Makes the objects of one document, in the order in which they end."""

    def __init__(self) -> None:
        self._ended = 0

    def make(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            raise _EqualKeysError(next(key for key in made if keys.count(key) > 1), self._ended)
        self._ended += 1
        return made


def parse_json(text: str) -> Iterator[Parsed]:
    """Yield the documents of a text, one or several in a row; raise Unparsable where they end being JSON."""
    start = _skip_space(text, 0)
    while start < len(text):
        decoder = json.JSONDecoder(object_pairs_hook=_Objects().make, parse_constant=_refuse_constant)
        try:
            content, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise Unparsable(error.lineno, f"{error.msg} (column {error.colno})") from None
        except _EqualKeysError as error:
            ends = (match for match in _STRING_OR_END_OF_OBJECT.finditer(text, start) if match[1])
            for _ in range(error.number):
                next(ends)
            line = _line(text, next(ends).start())
            raise Unparsable(
                line, f"{the_key(error.key)} stands twice in the object that ends here: remove one"
            ) from None
        except ValueError:
            raise Unparsable(_line(text, start), "a number that no field can hold") from None
        except RecursionError:
            raise Unparsable(_line(text, start), "nested deeper than any manifest is") from None
        if _HALF_CHARACTER.search(text, start, end):
            _require_whole_characters(content, _line(text, start))
        yield Parsed(content, _line(text, start), {})
        start = _skip_space(text, end)


def _skip_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return start if match is None else match.end()


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _require_whole_characters(content: Any, line: int) -> None:
    """Raise Unparsable for half of a surrogate pair, which is no text: nothing could send or log it."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Unparsable(
            line, r"an escape that is half a character (\ud800 to \udfff) without its other half"
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
