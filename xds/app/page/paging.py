"""One page of a long list, and what was asked for: search, filter and page number, from a query that may say anything."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

PAGE: Final = 100
"""Entries of a page."""

_LONGEST: Final = 200
"""Characters of a search; no name has more."""
_DIGITS: Final = 6

_S = TypeVar("_S")
_T = TypeVar("_T")


class Asked(NamedTuple):
    """What a page is asked to show: ``search`` in lower case, ``only`` one of the filters that there are, ``page`` from 1 on."""

    search: str = ""
    only: str = ""
    page: int = 1

    @property
    def words(self) -> tuple[str, ...]:
        """The words that all have to be found."""
        return tuple(self.search.casefold().split())

    def finds(self, text: str) -> bool:
        """Whether a text, in lower case, has all words."""
        return all(word in text for word in self.words)


def asked(query: Mapping[str, str], filters: Mapping[str, str]) -> Asked:
    """Return what a query asks for; what makes no sense is left out. ``filters`` are those that there are."""
    only = query.get("only", "")
    number = query.get("page", "")
    is_number = number.isascii() and number.isdecimal() and len(number) <= _DIGITS
    return Asked(
        search=" ".join(query.get("q", "")[:_LONGEST].split()),
        only=only if only in filters else "",
        page=max(1, int(number)) if is_number else 1,
    )


class Paged(NamedTuple, Generic[_T]):
    """A page of entries; ``first`` counts from 1, and is 0 where there is none."""

    asked: Asked
    entries: Sequence[_T]
    page: int
    pages: int
    first: int
    total: int

    @property
    def last(self) -> int:
        """The number of its last entry."""
        return self.first + len(self.entries) - 1 if self.entries else 0

    def link(self, page: int) -> str:
        """Return the query of another page of the same list."""
        fields = {"q": self.asked.search, "only": self.asked.only, "page": str(page) if page > 1 else ""}
        return "?" + urlencode({name: value for name, value in fields.items() if value})


def paged(found: Sequence[_S], wanted: Asked, show: Callable[[Sequence[_S]], Sequence[_T]]) -> Paged[_T]:
    """Return the page that is asked for of what was found, the last one where there are fewer; ``show`` makes entries of it."""
    pages = max(1, -(-len(found) // PAGE))
    page = min(wanted.page, pages)
    start = (page - 1) * PAGE
    entries = show(found[start : start + PAGE])
    return Paged(wanted, entries, page, pages, start + 1 if found else 0, len(found))
