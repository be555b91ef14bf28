"""Resources without what must not be read: private keys, passwords and tokens, wherever in a resource they stand.

Envoy marks such fields in its API, and the schema that we have lacks the marks: so they are told by their names, and private
keys by their content as well. What cannot be looked into is not shown at all. CA certificates are public, and stay.
"""

from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from xds.messages import TYPE_URL_PREFIX, Any_, UnknownMessageError, message_class
from xds.snapshot import Resource

HIDDEN: Final = "[redacted]"

_ANY: Final = "google.protobuf.Any"
_STRUCT: Final = "google.protobuf.Struct"
_DATA_SOURCE: Final = "envoy.config.core.v3.DataSource"
_HEADER: Final = "envoy.config.core.v3.HeaderValue"

_SENSITIVE: Final = frozenset(
    {
        "access_token",
        "auth_password",
        "client_secret",
        "google_refresh_token",
        "id_token",
        "json_key",
        "password",
        "passphrase",
        "pkcs12",
        "private_key",
        "private_key_bytes",
        "refresh_token",
        "secret",
        "secret_access_key",
        "secrets",
        "session_token",
        "token",
    }
)
"""Fields that hold a secret when they are text, bytes or a data source; a message of another kind is looked into."""
_SENSITIVE_OF: Final = frozenset(
    {
        "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys.keys",
        "envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider.typed_config",
        "envoy.extensions.filters.http.basic_auth.v3.BasicAuth.users",
        "envoy.extensions.filters.http.api_key_auth.v3.Credential.key",
    }
)
"""Fields whose names alone would not tell."""
_SENSITIVE_KEYS: Final = frozenset(name.replace("_", "") for name in _SENSITIVE)
"""The same as keys where there is no schema, in whatever way these are written: `private_key`, `privateKey`, `Private-Key`."""
_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})
_KEY: Final = "PRIVATE KEY-----"


class Shown(NamedTuple):
    """A resource as it may be shown: an encoded ``google.protobuf.Any``, and the paths of the fields that are hidden."""

    body: bytes
    redacted: tuple[str, ...]

    @property
    def message(self) -> Any:
        """The ``google.protobuf.Any``."""
        return Any_.FromString(self.body)


def shown(resource: Resource) -> Shown:
    """Return a resource as it may be shown. It costs a tenth of a millisecond."""
    any_ = Any_.FromString(resource.body)
    redacted: list[str] = []
    _hide_in_any(any_, "", redacted)
    return Shown(any_.SerializeToString() if redacted else resource.body, tuple(redacted))


def _hide_in_any(any_: Any, path: str, redacted: list[str]) -> None:
    try:
        message = message_class(any_.type_url.removeprefix(TYPE_URL_PREFIX)).FromString(any_.value)
    except (UnknownMessageError, DecodeError):
        if any_.value:
            any_.value = b""
            redacted.append(path or any_.type_url)
        return
    before = len(redacted)
    _hide(message, path, redacted)
    if len(redacted) > before:
        any_.value = message.SerializeToString(deterministic=True)


def _hide(message: Any, path: str, redacted: list[str]) -> None:
    full_name = message.DESCRIPTOR.full_name
    if full_name == _ANY:
        _hide_in_any(message, path, redacted)
        return
    if full_name == _STRUCT:
        _hide_in_struct(message, path, redacted)
        return
    if full_name == _HEADER and message.key.lower() in _HEADERS:
        _clear(message, path, redacted)
        return
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if _is_sensitive(field):
            _hide_field(message, field, value, where, redacted)
        elif _is_map_of_text(field):
            _hide_in_map(value, where, redacted)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for place, each in _messages(field, value):
                _hide(each, where + place, redacted)
        elif _holds_key(field, value):
            _overwrite(message, field, value)
            redacted.append(where)


def _is_sensitive(field: FieldDescriptor) -> bool:
    if field.full_name in _SENSITIVE_OF:
        return True
    if field.name not in _SENSITIVE:
        return False
    of = field.message_type
    if of is None:
        return field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
    return of.full_name == _DATA_SOURCE or (of.GetOptions().map_entry and field.name == "secrets")


def _hide_field(message: Any, field: FieldDescriptor, value: Any, where: str, redacted: list[str]) -> None:
    """Hide a sensitive field's value. A data source that names a file or a variable says nothing of it, and stays."""
    of = field.message_type
    if of is None:
        _overwrite(message, field, value)
    elif of.full_name == _DATA_SOURCE and not field.is_repeated:
        if value.WhichOneof("specifier") in ("filename", "environment_variable"):
            return
        value.Clear()
        value.inline_string = HIDDEN
    else:
        message.ClearField(field.name)
    redacted.append(where)


def _clear(header: Any, path: str, redacted: list[str]) -> None:
    header.raw_value = b""
    header.value = HIDDEN
    redacted.append(f"{path}.value")


def _hide_in_struct(struct: Any, path: str, redacted: list[str]) -> None:
    for key, value in struct.fields.items():
        where = f"{path}.{key}"
        if _is_sensitive_key(key) and value.WhichOneof("kind") in ("string_value", "list_value"):
            value.string_value = HIDDEN
            redacted.append(where)
        else:
            _hide_value(value, where, redacted)


def _is_sensitive_key(key: str) -> bool:
    return key.lower().replace("_", "").replace("-", "") in _SENSITIVE_KEYS


def _hide_value(value: Any, path: str, redacted: list[str]) -> None:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        _hide_in_struct(value.struct_value, path, redacted)
    elif kind == "list_value":
        for index, each in enumerate(value.list_value.values):
            _hide_value(each, f"{path}[{index}]", redacted)
    elif kind == "string_value" and _KEY in value.string_value:
        value.string_value = HIDDEN
        redacted.append(path)


def _is_map_of_text(field: FieldDescriptor) -> bool:
    of = field.message_type
    if of is None or not of.GetOptions().map_entry:
        return False
    return of.fields_by_name["value"].type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def _hide_in_map(texts: Any, path: str, redacted: list[str]) -> None:
    for key, text in texts.items():
        hidden, mark = (HIDDEN.encode(), _KEY.encode()) if isinstance(text, bytes) else (HIDDEN, _KEY)
        if mark in text or (isinstance(key, str) and _is_sensitive_key(key)):
            texts[key] = hidden
            redacted.append(f"{path}[{key}]")


def _messages(field: FieldDescriptor, value: Any) -> list[tuple[str, Message]]:
    """Return the messages in a field, each with its place behind the field's name."""
    of = field.message_type
    if of is not None and of.GetOptions().map_entry:
        if of.fields_by_name["value"].message_type is None:
            return []
        return [(f"[{key}]", each) for key, each in value.items()]
    if field.is_repeated:
        return [(f"[{index}]", each) for index, each in enumerate(value)]
    return [("", value)]


def _holds_key(field: FieldDescriptor, value: Any) -> bool:
    if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return False
    key = _KEY if field.type == FieldDescriptor.TYPE_STRING else _KEY.encode()
    return any(key in each for each in (value if field.is_repeated else (value,)))


def _overwrite(message: Any, field: FieldDescriptor, value: Any) -> None:
    hidden = HIDDEN if field.type == FieldDescriptor.TYPE_STRING else HIDDEN.encode()
    if field.is_repeated:
        value[:] = [hidden] * len(value)
    else:
        setattr(message, field.name, hidden)
