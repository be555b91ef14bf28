"""Which Secrets are of use: those that a LoadBalancer names, and no other is kept, not even its name.

All Secrets of the followed namespaces are watched, which costs one connection and, for those of no use, the time to see
their names (4 µs each, and 0.9 ms for a Helm release of 1 MB). A Secret that is named for the first time has passed by
already, so it is fetched; the LoadBalancer that names it waits until it is known, or its Envoys would refuse connections for
the time of a round trip.

This module keeps the books; it fetches nothing.
"""

import re
from collections.abc import Iterable
from typing import Final

from kube.objects import LoadBalancer, ObjectRef, Secret

# Kubernetes' own rule (a DNS subdomain), as far as it keeps a name from being more than one in a field selector.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONGEST_NAME: Final = 253


def secrets_of(loadbalancer: LoadBalancer) -> frozenset[ObjectRef]:
    """Return the Secrets that a LoadBalancer names, less what no Secret can be called."""
    return frozenset(
        ref
        for ref in loadbalancer.references
        if ref.kind == Secret.KIND and len(ref.name) <= _LONGEST_NAME and _NAME.fullmatch(ref.name)
    )


class SecretsInUse:
    """Who names which Secret, and what is known of it."""

    def __init__(self) -> None:
        self._named: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._users: dict[ObjectRef, set[ObjectRef]] = {}
        # The version up to which everything about a Secret is known, for it was fetched and not watched.
        self._known_to: dict[ObjectRef, int] = {}

    def __contains__(self, ref: ObjectRef) -> bool:
        return ref in self._users

    def users(self, ref: ObjectRef) -> Iterable[ObjectRef]:
        """Return the LoadBalancers that name a Secret."""
        return tuple(self._users.get(ref, ()))

    def names_too(self, user: ObjectRef, secrets: frozenset[ObjectRef]) -> list[ObjectRef]:
        """Take note that a LoadBalancer names Secrets besides those it does; return those that it did not name before."""
        before = self._named.get(user, frozenset())
        if secrets - before:
            self._named[user] = before | secrets
        for ref in secrets - before:
            self._users.setdefault(ref, set()).add(user)
        return list(secrets - before)

    def names(self, user: ObjectRef, secrets: frozenset[ObjectRef]) -> list[ObjectRef]:
        """Take note that of what a LoadBalancer named it names only these; return the Secrets that nobody names any more."""
        before = self._named.pop(user, frozenset())
        if secrets:
            self._named[user] = before & secrets
        unwanted = []
        for ref in before - secrets:
            users = self._users[ref]
            users.discard(user)
            if not users:
                del self._users[ref]
                self._known_to.pop(ref, None)
                unwanted.append(ref)
        return unwanted

    def fetched(self, ref: ObjectRef, version: str) -> None:
        """Take note that all versions of a Secret up to this one are known."""
        if ref in self._users and version.isdecimal():
            self._known_to[ref] = int(version)

    def is_news(self, ref: ObjectRef, version: str) -> bool:
        """Return whether a version of a Secret in use is newer than what was fetched."""
        known_to = self._known_to.get(ref)
        return known_to is None or not version.isdecimal() or int(version) > known_to

    def is_fetched_at(self, ref: ObjectRef, version: str) -> bool:
        """Return whether a fetch told of a Secret as it was at this version or later."""
        known_to = self._known_to.get(ref)
        return known_to is not None and version.isdecimal() and int(version) <= known_to

    def forget_versions(self) -> None:
        """Compare with no version from before a list: numbers may have gone back."""
        self._known_to.clear()
