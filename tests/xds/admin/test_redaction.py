"""What must not be read is not shown, wherever it stands in a resource; what is public is."""

from typing import Any

import pytest

from tests.support import pki
from xds.admin.redaction import HIDDEN, shown
from xds.messages import Any_, Cluster, TlsSecret, from_dict, message_class, pack, to_dict
from xds.snapshot import Resource
from xds.translate.transport_socket import verify

SECRET = "correct horse"
AUTHORITY = pki.ca("redaction")
KEY = AUTHORITY.key_pem.decode()
TLS = "envoy.extensions.transport_sockets.tls.v3"


def text_of(resource: Resource) -> str:
    """Return a resource as it is shown, as text."""
    return str(to_dict(shown(resource).message))


def cluster_with(extension: Any) -> Resource:
    """Return a cluster whose transport socket is configured by a message."""
    socket = {"name": "extension", "typed_config": to_dict(pack(extension))}
    return Resource.of("c", from_dict(Cluster, {"name": "c", "transport_socket": socket}))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tls_certificate": {"private_key": {"inline_string": SECRET}}}, "tls_certificate.private_key"),
        ({"tls_certificate": {"private_key": {"inline_bytes": "c2VjcmV0"}}}, "tls_certificate.private_key"),
        ({"tls_certificate": {"password": {"inline_string": SECRET}}}, "tls_certificate.password"),
        ({"tls_certificate": {"pkcs12": {"inline_string": SECRET}}}, "tls_certificate.pkcs12"),
        ({"session_ticket_keys": {"keys": [{"inline_string": SECRET}]}}, "session_ticket_keys.keys"),
        ({"generic_secret": {"secret": {"inline_string": SECRET}}}, "generic_secret.secret"),
        ({"generic_secret": {"secrets": {"a": {"inline_string": SECRET}}}}, "generic_secret.secrets"),
    ],
)
def test_a_tls_secrets_content_is_hidden(fields: dict[str, Any], path: str) -> None:
    """Of what SDS serves to an Envoy nobody else reads keys, passwords or tickets."""
    resource = Resource.of("s", from_dict(TlsSecret, {"name": "s", **fields}))
    assert shown(resource).redacted == (path,)
    assert SECRET not in text_of(resource)
    assert "c2VjcmV0" not in text_of(resource)


def test_a_key_deep_in_an_extension_is_hidden() -> None:
    """What is inside an Any inside an Any is looked into as well."""
    context = from_dict(
        message_class(f"{TLS}.UpstreamTlsContext"),
        {"common_tls_context": {"tls_certificates": [{"private_key": {"inline_string": SECRET}}]}},
    )
    wrapped = message_class(
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
    )(transport_socket={"name": "tls", "typed_config": pack(context)})
    resource = cluster_with(wrapped)
    assert SECRET not in text_of(resource)
    assert HIDDEN in text_of(resource)
    assert shown(resource).redacted[0].endswith("common_tls_context.tls_certificates[0].private_key")


def test_a_path_to_a_key_is_no_key() -> None:
    """A data source that names a file says nothing of what is in it, and is worth seeing."""
    fields = {"tls_certificate": {"private_key": {"filename": "/etc/tls/tls.key"}}}
    resource = Resource.of("s", from_dict(TlsSecret, {"name": "s", **fields}))
    assert shown(resource).redacted == ()
    assert "/etc/tls/tls.key" in text_of(resource)


def test_ca_certificates_are_shown_as_they_are() -> None:
    """They are public: a cluster that verifies is shown byte for byte."""
    cluster = Cluster(name="c")
    cluster.transport_socket.CopyFrom(verify(AUTHORITY.pem))
    resource = Resource.of("c", cluster)
    assert shown(resource) == (resource.body, ())


def test_a_private_key_in_the_wrong_place_is_hidden() -> None:
    """A key beside a certificate, where only certificates belong, is known by what it looks like."""
    cluster = Cluster(name="c")
    cluster.transport_socket.CopyFrom(verify(AUTHORITY.pem + AUTHORITY.key_pem))
    content = shown(Resource.of("c", cluster))
    assert KEY.splitlines()[1].encode() not in content.body
    assert content.redacted[0].endswith("trusted_ca.inline_bytes")


@pytest.mark.parametrize("name", ["Authorization", "cookie"])
def test_credentials_in_headers_are_hidden(name: str) -> None:
    """A header that carries a token is shown without it, another one with its value."""
    metadata = [{"key": name, "value": SECRET}, {"key": "x-team", "value": "edge"}]
    source = {"api_type": "GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "x"}}]}
    source["grpc_services"][0]["initial_metadata"] = metadata  # type: ignore[index]
    fields = {"name": "c", "eds_cluster_config": {"eds_config": {"api_config_source": source}}}
    text = text_of(Resource.of("c", from_dict(Cluster, fields)))
    assert SECRET not in text
    assert "edge" in text


def test_secrets_in_a_struct_are_hidden() -> None:
    """Metadata without a schema hides what is named like a secret."""
    metadata = {"filter_metadata": {"x": {"password": SECRET, "list": [{"token": SECRET}], "a": "kept"}}}
    text = text_of(Resource.of("c", from_dict(Cluster, {"name": "c", "metadata": metadata})))
    assert SECRET not in text
    assert "kept" in text


@pytest.mark.parametrize("key", ["private_key", "privateKey", "Client-Secret", "token"])
def test_a_struct_has_keys_of_any_style(key: str) -> None:
    """However a key is written, and be its value a list: what is named like a secret is hidden."""
    for value in (SECRET, [SECRET]):
        metadata = {"filter_metadata": {"x": {key: value}}}
        assert SECRET not in text_of(
            Resource.of("c", from_dict(Cluster, {"name": "c", "metadata": metadata}))
        )


def test_secrets_in_a_map_of_text_are_hidden() -> None:
    """By its key or by its content, in a message that has nothing but text for values."""
    settings = message_class("envoy.extensions.filters.http.ext_authz.v3.CheckSettings")
    texts = {"token": SECRET, "a": f"-----BEGIN PRIVATE KEY-----{SECRET}", "b": "kept"}
    text = text_of(Resource.of("s", from_dict(settings, {"context_extensions": texts})))
    assert SECRET not in text
    assert "kept" in text


def test_what_nobody_can_look_into_is_not_shown() -> None:
    """An extension of a type that is not known may hold anything: its bytes are left out."""
    any_ = Any_(type_url="type.googleapis.com/example.Unknown", value=SECRET.encode())
    cluster = Cluster(name="c")
    cluster.transport_socket.typed_config.CopyFrom(any_)
    content = shown(Resource.of("c", cluster))
    assert SECRET.encode() not in content.body
    assert content.redacted == ("transport_socket.typed_config",)
