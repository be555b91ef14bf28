"""What translations look up, answered from the store: the same for the server and for `validate`."""

from typing import cast

from kube.informer.store import Store
from kube.objects import Addresses, ObjectRef, Secret
from xds.translate import CaBundle, parse_bundle


class StoreLookups:
    """The store as `xds.translate.Lookups`, for one round of translations: each CA bundle is parsed once in it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bundles: dict[bytes, CaBundle] = {}

    def addresses(self, namespace: str, name: str) -> Addresses | None:
        """Return an Addresses object, or None."""
        return cast("Addresses | None", self._store.get(ObjectRef("Addresses", namespace, name)))

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret, or None."""
        return cast("Secret | None", self._store.get(ObjectRef("Secret", namespace, name)))

    def ca_bundle(self, secret: Secret) -> CaBundle:
        """Return the parsed `ca.crt` of a Secret; equal ones share a bundle."""
        pem = secret.ca_crt or b""
        bundle = self._bundles.get(pem)
        if bundle is None:
            bundle = self._bundles[pem] = parse_bundle(pem)
        return bundle
