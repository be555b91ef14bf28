"""The one way from a document (YAML or JSON, already parsed) to an object. Does not know where documents come from."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast

import msgspec

from kube.objects.addresses import Addresses
from kube.objects.faults import Fault, InvalidObject, ObjectRef, UnknownKind, one_line, short
from kube.objects.loadbalancer import LoadBalancer, LoadBalancerHead
from kube.objects.secret import Secret, SecretDocument
from kube.objects.structs import KubeStruct
from kube.objects.walk import find_faults

KubeObject: TypeAlias = LoadBalancer | Addresses | Secret

API_VERSION: Final = "kubelb.k8c.io/v1alpha1"


class _Kind(NamedTuple):
    api_version: str
    struct: type[KubeStruct]
    """What the document is read as."""
    build: Callable[[dict[str, Any]], KubeObject]
    decoder: msgspec.json.Decoder[Any]
    redact: bool = False


_KINDS: Final = {
    LoadBalancer.KIND: _Kind(
        API_VERSION,
        LoadBalancer,
        lambda body: msgspec.convert(body, LoadBalancer),
        msgspec.json.Decoder(LoadBalancer),
    ),
    Addresses.KIND: _Kind(
        API_VERSION,
        Addresses,
        lambda body: msgspec.convert(body, Addresses),
        msgspec.json.Decoder(Addresses),
    ),
    Secret.KIND: _Kind(
        "v1",
        SecretDocument,
        lambda body: msgspec.convert(body, SecretDocument).secret(),
        msgspec.json.Decoder(SecretDocument),
        redact=True,
    ),
}
KINDS: Final = tuple(_KINDS)
_HEAD: Final = msgspec.json.Decoder(LoadBalancerHead)


def decode(document: Mapping[str, Any], *, strict: bool = True) -> KubeObject:
    """Return the object that a document describes.

    Strict, for what people write: a field that is not known is a fault, as `kubectl apply` has it (metadata and status may
    hold any), and so is a null. Otherwise, for what the API server has checked against its schema, such fields are ignored,
    and a valid object costs a quarter: about 20 µs instead of 80.

    Raises InvalidObject with every fault, and UnknownKind for a kind that is not in KINDS.
    """
    kind, api_version = document.get("kind"), document.get("apiVersion")
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or known is None:
        raise UnknownKind(kind, api_version, known=KINDS)
    body = _body(document)
    right_version = api_version == known.api_version
    if right_version and not strict:
        try:
            return known.build(body)
        except (msgspec.ValidationError, ValueError):
            pass  # told in full below
    faults = find_faults(body, known.struct, strict=strict, redact=known.redact)
    if not right_version:
        value = "" if api_version is None else short(api_version)
        faults.insert(0, Fault("apiVersion", value, f"must be {known.api_version} for kind {kind}"))
    if faults:
        raise InvalidObject(_ref(kind, body), faults)
    return known.build(body)


def read(kind: str, document: bytes | msgspec.Raw) -> KubeObject:
    """Return the object that the API server's JSON describes, whose kind is known: a list's items need not name theirs.

    It is decoded straight into the structs; one that fails is told as `decode` tells it, not strictly. Raises InvalidObject.
    """
    known = _KINDS[kind]
    try:
        found = known.decoder.decode(document)
        return found.secret() if isinstance(found, SecretDocument) else cast("KubeObject", found)
    except (msgspec.ValidationError, ValueError):
        body = msgspec.json.decode(document, type=dict[str, Any])
        try:
            return decode({**body, "kind": kind, "apiVersion": known.api_version}, strict=False)
        except InvalidObject as error:
            raise InvalidObject(error.ref, error.faults, _head(kind, document)) from None


def _head(kind: str, document: bytes | msgspec.Raw) -> LoadBalancerHead | None:
    """Return what a LoadBalancer's status can be written by, whatever is wrong with its spec."""
    try:
        return _HEAD.decode(document) if kind == LoadBalancer.KIND else None
    except (msgspec.ValidationError, ValueError):
        return None


def _body(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without its type, and without the nulls of Kubernetes' own types, where they mean absent.

    kubectl itself writes `creationTimestamp: null`.
    """
    body = {
        key: value
        for key, value in document.items()
        if value is not None and key not in {"kind", "apiVersion"}
    }
    metadata = body.setdefault("metadata", {})
    if isinstance(metadata, dict):
        body["metadata"] = {
            key: value for key, value in metadata.items() if value is not None and value != ""
        }
    return body


def _ref(kind: str, body: Mapping[str, Any]) -> ObjectRef:
    """Name the object as well as can be: it must stand in a log line, so what no object could be called counts as absent."""
    metadata = body["metadata"] if isinstance(body["metadata"], dict) else {}

    def word(key: str, absent: str) -> str:
        value = metadata.get(key)
        return value if isinstance(value, str) and value == one_line(value) else absent

    return ObjectRef(kind, word("namespace", "default"), word("name", ""))
