"""The one object that decides about a tenant's listener ports: a ConfigMap, written under its resourceVersion only.

Statuses of several LoadBalancers share no version, so two leaders that both believe in themselves could give one port twice.
Here the API server lets only one of them write. Does not know how ports are chosen.

10,000 LoadBalancers with the names that KubeLB gives them (a UID, 36 characters) and a port each take some 600 KB: a name
stands there once for all its ports, a resting port only has its last owner's digest, once a second's time for all that were
freed in it, and nothing is indented. 10,000 more that rest take 260 KB. 16,000 that hold a port fit, and with names of 253
characters 3,500; whoever comes then is refused, with this limit in the message.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from kube.client import ApiError
from kube.controllers.ports import POOL, Holdings, Key, Listen, Rest

NAME: Final = "kubelb-xds-ports"
"""The ConfigMap's name, in the tenant's namespace."""

CONTENT: Final = "ports.json"
"""The key of its data."""

LABELS: Final[Mapping[str, str]] = {"kubelb.k8c.io/managed-by": "kubelb-xds"}

MOST: Final = 1 << 20
"""Bytes that the API server takes for all data of a ConfigMap."""

LIMIT: Final = MOST - (1 << 16)
"""Bytes of the content with which ports are still given. Above, they are only freed, which may need some bytes as well."""

_VERSION: Final = 1
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class Api(Protocol):
    """What is used of `kube.client.KubeApi`."""

    async def get(self, path: str, params: Mapping[str, str] = ...) -> bytes:
        """Return the whole body of an answer; raise ApiError and Unreachable."""

    async def send(self, method: Literal["POST", "PATCH"], path: str, body: object = ...) -> bytes:
        """Send an object and return the whole body of the answer; raise ApiError and Unreachable."""


class LedgerFullError(Exception):
    """The content would exceed the limit; the text names both."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"{CONTENT} of the ConfigMap {NAME} would take {size} bytes, {limit} at most: the API server takes 1 MiB"
        )


class LedgerTooNewError(Exception):
    """A later version of this program has written it, in a format that this one cannot keep."""


class ChangedMeanwhileError(Exception):
    """Somebody else has written or deleted the ledger since it was read."""


class Ledger(NamedTuple):
    """A ledger as it was read. `version` is the ConfigMap's resourceVersion, empty when there is none.

    `faults` say what in it was passed over; then it is as if those ports had never been written down.
    """

    holdings: Holdings
    version: str
    faults: tuple[str, ...] = ()


class _Document(msgspec.Struct):
    version: int
    ports: dict[str, dict[str, int]] = {}
    """LoadBalancer → "entry/protocol" → port."""
    resting: dict[str, dict[str, str]] = {}
    """Unix time of the release → "port/protocol" → digest of the last owner."""


class _Format(msgspec.Struct):
    version: int


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _ConfigMap(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    data: dict[str, str] = {}


def encode(holdings: Holdings) -> str:
    """Return a ledger's content, the same text for the same holdings."""
    document = _Document(_VERSION)
    for key, port in sorted(holdings.held.items()):
        document.ports.setdefault(key.lb, {})[f"{key.entry}/{key.protocol}"] = port
    for (protocol, port), rest in sorted(holdings.resting.items()):
        document.resting.setdefault(str(rest.since), {})[f"{port}/{protocol}"] = rest.owner
    return msgspec.json.encode(document).decode()


def decode(text: str) -> tuple[Holdings, tuple[str, ...]]:
    """Return what a ledger's content says, and what of it was passed over; raise LedgerTooNewError.

    What a person broke is passed over, and found again in the statuses: to refuse the tenant every change until somebody mends
    it would be worse. Of two that have one port, the lower key keeps it.
    """
    try:
        found = msgspec.json.decode(text, type=_Format).version
        if found > _VERSION:
            raise LedgerTooNewError(
                f"the ConfigMap {NAME} has version {found}, this program knows {_VERSION}: run the later version of it"
            )
        document = msgspec.json.decode(text, type=_Document)
    except (msgspec.MsgspecError, UnicodeError) as error:
        return Holdings(), (f"{CONTENT} cannot be read: {error}",)
    faults: list[str] = []
    held: dict[Key, int] = {}
    holders: dict[Listen, str] = {}
    for lb, entries in sorted(document.ports.items()):
        for word, port in sorted(entries.items()):
            entry, _, protocol = word.rpartition("/")
            fault = _fault(entry, protocol, port) or holders.get((protocol, port), "")
            if fault:
                faults.append(f"ports.{lb}.{word}: {port}: {fault}")
            else:
                held[Key(lb, protocol, entry)] = port
                holders[protocol, port] = f"{lb}.{word} has it already"
    resting: dict[Listen, Rest] = {}
    for since, freed in sorted(document.resting.items()):
        for word, owner in freed.items():
            number, _, protocol = word.rpartition("/")
            port = int(number) if _is_number(number) else 0
            fault = _fault("resting", protocol, port) or holders.get((protocol, port), "")
            if fault or not _is_number(since):
                faults.append(f"resting.{since}.{word}: {fault or 'the time is no number'}")
            else:
                resting[protocol, port] = Rest(owner, int(since))
    return Holdings(held, resting), tuple(faults)


def _fault(entry: str, protocol: str, port: int) -> str:
    if not entry or protocol not in {"TCP", "UDP"}:
        return "the key is no entry/protocol"
    return "" if POOL.has(port) else f"no port of {POOL}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**63))


def path_of(tenant: str) -> str:
    """Return the path of the ConfigMaps of a tenant's namespace."""
    return f"/api/v1/namespaces/{tenant}/configmaps"


async def read(api: Api, tenant: str) -> Ledger:
    """Return a tenant's ledger, an empty one when there is none; raise ApiError, Unreachable and LedgerTooNewError."""
    try:
        body = await api.get(f"{path_of(tenant)}/{NAME}")
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return Ledger(Holdings(), "")
    configmap = msgspec.json.decode(body, type=_ConfigMap)
    text = configmap.data.get(CONTENT)
    if text is None:
        return Ledger(
            Holdings(), configmap.metadata.resource_version, (f"the ConfigMap has no key {CONTENT}",)
        )
    holdings, faults = decode(text)
    return Ledger(holdings, configmap.metadata.resource_version, faults)


async def write(api: Api, tenant: str, holdings: Holdings, *, version: str, limit: int = LIMIT) -> Ledger:
    """Put a ledger in the place of the version that was read ("": of none) and return it as it is now.

    Raises ChangedMeanwhileError when that is no longer the latest, LedgerFullError, ApiError and Unreachable; after the last of these it
    is not known whether it was written.
    """
    content = encode(holdings)
    if len(content) > limit:  # all of it is ASCII
        raise LedgerFullError(len(content), limit)
    metadata: dict[str, Any] = {"labels": LABELS}
    change = {"metadata": metadata, "data": {CONTENT: content}}
    try:
        if version:
            metadata["resourceVersion"] = version
            body = await api.send("PATCH", f"{path_of(tenant)}/{NAME}", change)
        else:
            metadata |= {"name": NAME, "namespace": tenant}
            thing = {"apiVersion": "v1", "kind": "ConfigMap"} | change
            body = await api.send("POST", path_of(tenant), thing)
    except ApiError as error:
        if error.status == _CONFLICT or (version and error.status == _NOT_FOUND):
            raise ChangedMeanwhileError from error
        raise
    return Ledger(holdings, msgspec.json.decode(body, type=_ConfigMap).metadata.resource_version)
