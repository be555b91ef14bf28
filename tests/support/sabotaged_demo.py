"""Plays the demo with a translation that is broken on purpose: `python -m tests.support.sabotaged_demo NAME`.

In a process of its own, as the demo's logging and signals are the process's. Each sabotage is put around the translation that the
control plane calls, so it breaks what the demo is to notice and nothing else.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from unittest import mock

import msgspec

from kube.objects import LoadBalancer, ObjectRef, Secret, UpstreamTLS
from xds.app.demo.run import run_demo
from xds.translate import CaBundle, Lookups, Translation, translate

Translate: TypeAlias = Callable[..., Translation]


def _with_tls(lb: LoadBalancer, upstream_tls: Any) -> LoadBalancer:
    return msgspec.structs.replace(lb, spec=msgspec.structs.replace(lb.spec, upstream_tls=upstream_tls))


def _plaintext(real: Translate) -> Translate:
    """Drop TLS on the way to every backend."""
    return lambda lb, **others: real(_with_tls(lb, None), **others)


def _accept_untrusted(real: Translate) -> Translate:
    """Encrypt, and verify nothing."""

    def sabotaged(lb: LoadBalancer, **others: Any) -> Translation:
        translation = real(lb, **others)
        if any(port.tls == "verify" for port in translation.ports):
            return real(_with_tls(lb, UpstreamTLS(policy="Insecure")), **others)
        return translation

    return sabotaged


def _fail_open(real: Translate) -> Translate:
    """Speak plain TCP where something is wrong with the CA."""

    def sabotaged(lb: LoadBalancer, **others: Any) -> Translation:
        translation = real(lb, **others)
        if any(port.tls == "fail-closed" for port in translation.ports):
            return real(_with_tls(lb, None), **others)
        return translation

    return sabotaged


class _FirstCertificate:
    """Lookups that know the first certificate of each bundle only."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self.addresses, self.secret = lookups.addresses, lookups.secret

    def ca_bundle(self, secret: Secret) -> CaBundle:
        bundle = self._lookups.ca_bundle(secret)
        end = b"-----END CERTIFICATE-----\n"
        return dataclasses.replace(bundle, pem=bundle.pem.partition(end)[0] + end)


def _first_certificate(real: Translate) -> Translate:
    """Send the first certificate of a bundle, and leave out the rest."""
    return lambda lb, *, lookups, **others: real(lb, lookups=_FirstCertificate(lookups), **others)


def _secrets_once(real: Translate) -> Translate:
    """Look at Secrets once, and never again: KubeLB's own known fault."""
    done: dict[ObjectRef, Translation] = {}

    def sabotaged(lb: LoadBalancer, **others: Any) -> Translation:
        if lb.ref not in done:
            done[lb.ref] = real(lb, **others)
        return done[lb.ref]

    return sabotaged


def _nothing(real: Translate) -> Translate:  # noqa: ARG001
    """Fail on every LoadBalancer."""

    def sabotaged(lb: LoadBalancer, **_: Any) -> Translation:
        raise RuntimeError(f"{lb.ref} is sabotaged")

    return sabotaged


SABOTAGES: Final[Mapping[str, Callable[[Translate], Translate]]] = {
    "plaintext": _plaintext,
    "accept-untrusted": _accept_untrusted,
    "fail-open": _fail_open,
    "first-certificate": _first_certificate,
    "secrets-once": _secrets_once,
    "nothing": _nothing,
}

if __name__ == "__main__":
    with mock.patch("xds.app.pipeline.translate", SABOTAGES[sys.argv[1]](translate)):
        sys.exit(run_demo(keep=False))
