"""Secret: of everything in it only `ca.crt` is kept, and nothing in it is ever printed.

Whoever may write a Secret may put keys beside the CA: these never get further than this module. Does not know PEM.
"""

import binascii
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import field

from kube.objects.faults import ObjectRef
from kube.objects.metadata import ObjectMeta
from kube.objects.structs import Broken, KubeStruct, Rule

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class Secret(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The object of kind Secret. `ca_crt` is None when it has no such key, and empty when the key is."""

    KIND: ClassVar[str] = "Secret"

    metadata: ObjectMeta
    ca_crt: bytes | None = None

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.KIND, self.metadata.namespace, self.metadata.name)

    def __repr__(self) -> str:
        return f"Secret({self.metadata.namespace}/{self.metadata.name}, ca_crt={self._size})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # what rich prints, also in tracebacks with locals
        return [("ref", str(self.ref)), ("ca_crt", self._size)]

    @property
    def _size(self) -> str:
        return "None" if self.ca_crt is None else f"<{len(self.ca_crt)} bytes>"


def decode_base64(text: str) -> bytes:
    """Decode what the API server decodes (Go's base64.StdEncoding): with padding, newlines anywhere, nothing else.

    Raises ValueError for anything else.
    """
    data = text.replace("\n", "").replace("\r", "")
    if len(data) % 4 or not _BASE64.fullmatch(data):  # binascii overlooks a superfluous "=", also when strict
        raise ValueError("not base64")
    return binascii.a2b_base64(data)


def _check_base64(keys: Any) -> Sequence[Broken]:
    if keys.ca_crt is None:
        return ()
    try:
        decode_base64(keys.ca_crt)
    except ValueError:
        remedy = (
            "PEM text as it is goes under stringData"
            if "-----BEGIN" in keys.ca_crt
            else "use base64 -w0 ca.crt"
        )
        return (Broken("ca.crt", keys.ca_crt, f"must be base64 with its padding: {remedy}"),)
    return ()


class _PlainKeys(KubeStruct, frozen=True, kw_only=True):
    OPEN = True

    ca_crt: str | None = field(name="ca.crt", default=None)


class _EncodedKeys(_PlainKeys, frozen=True, kw_only=True):
    # Only for the list of faults: what is decoded is not decoded a second time to check it.
    RULES = (Rule(("ca_crt",), _check_base64),)


class SecretDocument(KubeStruct, frozen=True, kw_only=True):
    """A Secret as it is on the wire, less the keys that nobody here uses."""

    metadata: ObjectMeta
    data: _EncodedKeys = _EncodedKeys()
    string_data: _PlainKeys = _PlainKeys()
    type: str = ""
    immutable: bool = False

    def secret(self) -> Secret:
        """Return the Secret; `stringData` wins over `data`. Raises ValueError when `data` holds no base64."""
        encoded, plain = self.data.ca_crt, self.string_data.ca_crt
        decoded = None if encoded is None else decode_base64(encoded)
        return Secret(
            # Annotations are dropped too: kubectl apply keeps a copy of the whole Secret in one.
            metadata=msgspec.structs.replace(self.metadata, annotations={}),
            ca_crt=decoded if plain is None else plain.encode(),
        )
