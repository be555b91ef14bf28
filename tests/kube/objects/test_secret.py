import base64
import io
from typing import Any

import pytest
from rich.console import Console

from kube.objects import ObjectRef, Secret, decode
from tests.kube.objects.documents import faults, secret

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ENCODED = base64.b64encode(PEM.encode()).decode()


def ca_crt(**top: Any) -> bytes | None:
    """Decode a Secret and return what was kept of it."""
    found = decode(secret(**top))
    assert isinstance(found, Secret)
    return found.ca_crt


def test_data_is_base64() -> None:
    """`data` is decoded."""
    assert ca_crt(data={"ca.crt": ENCODED}) == PEM.encode()


def test_string_data_is_plain_and_wins() -> None:
    """`stringData` is taken as it is, also over `data`, as the API server merges them."""
    assert ca_crt(stringData={"ca.crt": PEM}) == PEM.encode()
    assert ca_crt(data={"ca.crt": ENCODED}, stringData={"ca.crt": "new"}) == b"new"
    assert ca_crt(data={"ca.crt": ENCODED}, stringData={"other": "new"}) == PEM.encode()


def test_an_empty_key_differs_from_none() -> None:
    """A Secret without `ca.crt` holds None, one with an empty `ca.crt` holds nothing."""
    assert ca_crt(data={"ca.crt": ""}) == b""
    assert ca_crt(stringData={"ca.crt": ""}) == b""
    assert ca_crt(data={"tls.crt": ENCODED}) is None
    assert ca_crt(data=None, stringData=None) is None
    assert ca_crt() is None


def test_only_the_ca_is_kept() -> None:
    """No other key stays in memory, nor the copy of the Secret that `kubectl apply` puts into an annotation."""
    found = decode(
        {
            **secret(
                data={"ca.crt": ENCODED, "tls.key": "c2VjcmV0"},
                stringData={"x": "secret"},
                type="kubernetes.io/tls",
            ),
            "metadata": {
                "name": "ca",
                "labels": {"a": "b"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "secret"},
            },
        }
    )
    assert isinstance(found, Secret)
    assert found.ref == ObjectRef("Secret", "default", "ca")
    assert found.metadata.annotations == {}
    assert found.metadata.labels == {"a": "b"}
    assert set(Secret.__struct_fields__) == {"metadata", "ca_crt"}


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("QUJD", b"ABC"),
        ("QUI=", b"AB"),
        ("QQ==", b"A"),
        ("QR==", b"A"),
        ("Q\nU\r\nJD\n", b"ABC"),
        ("QQ=\n=", b"A"),
        ("\n", b""),
    ],
)
def test_base64_is_read_as_the_api_server_reads_it(text: str, decoded: bytes) -> None:
    """Newlines may stand anywhere and trailing bits may be set, as in Go's base64.StdEncoding (compared with Go 1.26)."""
    assert ca_crt(data={"ca.crt": text}) == decoded


@pytest.mark.parametrize(
    "text",
    [
        "Q",
        "QQ",
        "QQ=",
        "=",
        "QQ===",
        "QUJD=",
        "zUAz====",
        "QQ==QQ==",
        "Q=Q=",
        "Q Q=",
        "QQ==\t",
        "-_-_",
        "QUJé",
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_other_base64_is_a_fault(text: str, *, strict: bool) -> None:
    """What Go refuses is a fault that does not show the value (compared with Go 1.26)."""
    assert faults(secret(data={"ca.crt": text}), strict=strict) == [
        "data.ca.crt: <redacted> is not allowed: must be base64 with its padding: use base64 -w0 ca.crt"
    ]


def test_pem_in_data_is_sent_to_string_data() -> None:
    """Who puts PEM under `data` is told where it belongs."""
    assert faults(secret(data={"ca.crt": PEM})) == [
        "data.ca.crt: <redacted> is not allowed: must be base64 with its padding: PEM text as it is goes under stringData"
    ]


def test_all_faults_of_a_secret_come_at_once() -> None:
    """Faults of metadata, of contents and unknown fields stand in one error."""
    document = {
        **secret(
            data={"ca.crt": "="}, stringData={"ca.crt": 5}, stringdata={"ca.crt": "s3cret"}, immutable="yes"
        ),
        "apiVersion": "v2",
        "metadata": {"name": "A"},
    }
    assert [text.split(" is ")[0] for text in faults(document)] == [
        "apiVersion: 'v2'",
        "metadata.name: <redacted>",
        "data.ca.crt: <redacted>",
        "stringData.ca.crt: <redacted>",
        "stringdata: <redacted>",
        "immutable: <redacted>",
    ]


@pytest.mark.parametrize(
    "document",
    [
        secret(data="s3cret"),
        secret(data=["s3cret"]),
        secret(data={"ca.crt": ["s3cret"]}),
        secret(stringData={"ca.crt": {"s3cret": "s3cret"}}),
        secret(stringData={"ca.crt": "s3cret\ud800"}),
        secret(stringdata={"ca.crt": "s3cret"}),
        secret(data={"ca.crt": "s3cret "}),
        secret(data={5: "s3cret"}),
        {**secret(), "metadata": {"name": "s3cret_"}},
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_faults_never_show_a_value(document: dict[str, Any], *, strict: bool) -> None:
    """No fault of a Secret shows what stands in it."""
    texts = faults(document, strict=strict)
    assert texts or not strict
    assert "s3cret" not in " ".join(texts)


def test_nothing_prints_the_contents() -> None:
    """repr, str, format and rich show the number of bytes and nothing else."""
    found = decode(secret(stringData={"ca.crt": "s3cret"}))
    assert repr(found) == str(found) == f"{found}" == "Secret(tenant-a/ca, ca_crt=<6 bytes>)"
    assert repr(decode(secret())) == "Secret(tenant-a/ca, ca_crt=None)"
    out = io.StringIO()
    Console(file=out).print(found)
    assert "<6 bytes>" in out.getvalue()
    assert "s3cret" not in out.getvalue()


def test_secrets_compare_by_contents() -> None:
    """Another CA makes another Secret; another Secret key does not."""
    one = decode(secret(stringData={"ca.crt": "a"}))
    assert one == decode(secret(data={"ca.crt": "YQ=="}))
    assert one == decode(secret(stringData={"ca.crt": "a", "tls.key": "k"}))
    assert one != decode(secret(stringData={"ca.crt": "b"}))
    assert len({one, decode(secret(data={"ca.crt": "YQ=="}))}) == 1
