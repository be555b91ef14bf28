"""Chains are what their names say, and keys stay out of sight."""

import datetime as dt
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from xds.app.demo.certificates import Authority, Identity, self_signed


def _verify(identity: Identity, *anchors: x509.Certificate) -> None:
    """Verify a chain as a strict client of today does; raises `VerificationError`."""
    verifier = PolicyBuilder().store(Store(list(anchors))).build_server_verifier(x509.DNSName(identity.name))
    verifier.verify(identity.chain[0], list(identity.chain[1:]))


def test_a_leaf_below_an_intermediate_chains_to_the_root() -> None:
    """What an intermediate issues is trusted through the root alone, since the server sends the intermediate."""
    root = Authority("root")
    identity = root.intermediate("between").issue("web.test")
    _verify(identity, root.certificate)
    assert len(identity.chain) == 2


def test_a_leaf_without_its_intermediate_needs_it_elsewhere() -> None:
    """A server that sends its leaf alone is trusted only by who has the intermediate already."""
    root = Authority("root")
    intermediate = root.intermediate("between")
    identity = intermediate.issue("web.test", send_intermediates=False)
    with pytest.raises(VerificationError):
        _verify(identity, root.certificate)
    _verify(identity, root.certificate, intermediate.certificate)


def test_another_authority_of_the_same_name_is_not_the_same() -> None:
    """The wrong CA refuses the chain, even when it bears the right one's name."""
    identity = Authority("root").issue("web.test")
    with pytest.raises(VerificationError):
        _verify(identity, Authority("root").certificate)


def test_a_self_signed_certificate_is_its_own_issuer() -> None:
    """A self-signed identity names itself as its issuer, signed by its own key."""
    certificate = self_signed("lonely.test").chain[0]
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("make", [Authority("root").issue, self_signed], ids=["issued", "self-signed"])
def test_a_leaf_may_sign_handshakes_now(make: Callable[[str], Identity]) -> None:
    """A leaf is valid now, is no CA, and its key usage allows signing, without which Envoy refuses it."""
    leaf = make("web.test").chain[0]
    assert leaf.not_valid_before_utc < dt.datetime.now(dt.UTC) < leaf.not_valid_after_utc
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_keys_are_not_shown() -> None:
    """The representation of an identity has its name and no key."""
    shown = repr(self_signed("web.test"))
    assert "web.test" in shown
    assert "key" not in shown
