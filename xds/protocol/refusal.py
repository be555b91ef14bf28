"""Which resources the text of a NACK names.

A NACK carries words for people, and no list of names. Envoy's own form for clusters and listeners is read as what it is, so
that a cluster called ``trusted`` is not taken for refused where another one "failed to load trusted CA certificates". In any
other text a name counts where it stands as a word of its own.
"""

import re
from collections.abc import Iterable
from typing import Final

# Envoy joins "NAME: reason" with ", " for clusters (cds_api_impl.cc) and with line ends for listeners (lds_api.cc).
_LISTED: Final = re.compile(r"Error adding/updating (?:cluster|listener)\(s\) ")
_ENTRY: Final = re.compile(r"(?:\(s\) |, |\n)([^\s,]+): ")
# What may stand beside a name: not the rest of a longer name, nor the "...(truncated)" where Envoy cuts its text.
_BEFORE: Final = r"(?<![^\s'\"`(\[{<,;=])"
_AFTER: Final = r"(?=$|[\s'\"`)\]}>,;!?]|[.:]+(?:\s|$))"


def named_in(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``names`` that the text of a NACK names, in their order."""
    candidates = tuple(dict.fromkeys(name for name in names if name in text))
    if _LISTED.search(text):
        listed = set(_ENTRY.findall(text))
        if found := tuple(name for name in candidates if name in listed):
            return found
    return tuple(name for name in candidates if re.search(_BEFORE + re.escape(name) + _AFTER, text))
