"""The text of a report, and how it stays below what a ConfigMap may hold.

A ConfigMap holds 1 MiB. 10,000 LoadBalancers named by UID take 400 kB, and so are all named; with long names, or long words
of Envoy, they are not. Then the tenants that say the most say less: first Envoy's words are cut, then only their number is
said; at last tenants themselves are only counted. What is counted instead of named counts as behind: never as ACKed.
"""

import heapq
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from kube.controllers.standing import Standing
from kube.coordination.conditions import shortened

LONGEST_REPORT: Final = 900_000
"""Bytes of a report's text. A ConfigMap takes 1 MiB of data; the rest is room for its other keys."""

_CUT: Final = 160
"""Characters of Envoy's words that are left when there is no room for all."""


class Unit(NamedTuple):
    """What is said of one tenant, as encoded members of a JSON object: in full, in short, and by number only."""

    full: bytes
    short: bytes
    bare: bytes


def encode_standing(tenant: str, standing: Standing) -> Unit:
    """Encode what is said of a tenant; the same standing gives the same bytes."""
    cut = {name: shortened(text, _CUT) for name, text in standing.refused.items()}
    count = len(standing.behind) + len(standing.refused) + standing.unnamed
    full = _member(tenant, standing)
    return Unit(
        full,
        _member(tenant, msgspec.structs.replace(standing, refused=cut)) if cut != standing.refused else full,
        _member(tenant, Standing(version=standing.version, envoys=standing.envoys, unnamed=count)),
    )


def _member(tenant: str, standing: Standing) -> bytes:
    return msgspec.json.encode(tenant) + b":" + msgspec.json.encode(standing, order="deterministic")


def joined(units: Iterable[Unit], longest: int) -> bytes:
    """Return the report of all tenants, of at most so many bytes."""
    forms = [(*unit,) for unit in units]
    chosen = dict.fromkeys(range(len(forms)), 0)
    size = sum(len(unit[0]) + 1 for unit in forms) + len(b'{"tenants":{},"unnamed":1000000000}')
    # The largest says less, until all of it has room or none can say less.
    largest = [(-len(unit[0]), index) for index, unit in enumerate(forms)] if size > longest else []
    heapq.heapify(largest)
    while size > longest and largest:
        _, index = heapq.heappop(largest)
        chosen[index] += 1
        more, less = forms[index][chosen[index] - 1 : chosen[index] + 1]
        size -= len(more) - len(less)
        if chosen[index] < len(forms[index]) - 1:
            heapq.heappush(largest, (-len(less), index))
    unnamed = 0
    while size > longest and chosen:
        index, form = chosen.popitem()
        size -= len(forms[index][form]) + 1
        unnamed += 1
    tenants = b",".join(forms[index][form] for index, form in chosen.items())
    return b'{"tenants":{' + tenants + b"}" + (b',"unnamed":%d' % unnamed if unnamed else b"") + b"}"
