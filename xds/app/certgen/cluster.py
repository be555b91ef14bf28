"""Certificates in Secrets of the management cluster: the control plane's in its own namespace, a tenant's in the tenant's.

Secrets of these names that somebody else made, cert-manager for one, are left alone. It knows no certificates.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kube.client import ApiError, KubeApi, Unreachable
from xds.app.certgen.plan import CA, SERVER, Contents
from xds.app.errors import UserError

TENANT_SECRET: Final = "kubelb-envoy-tls"  # noqa: S105 — a name
OWN_SECRETS: Final[Mapping[str, str]] = {CA: "kubelb-xds-ca", SERVER: "kubelb-xds-server"}
MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "kubelb-xds-certgen"}

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class Secrets:
    """The entries of one management cluster; ``namespace`` is the control plane's own."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        # Of those that were found: nothing is written over what changed since.
        self._versions: dict[str, str] = {}

    def described(self, entry: str) -> str:
        """Return where an entry is."""
        namespace, name = self._place(entry)
        return f"Secret {namespace}/{name}"

    async def read(self, entry: str) -> Contents | None:
        """Return what an entry holds, None where it is not there. Raises ``UserError`` with the entry's name and the remedy."""
        namespace, name = self._place(entry)
        try:
            body = await self._api.get(f"{_secrets(namespace)}/{name}")
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.status == _NOT_FOUND:
                return None
            raise self._failed(entry, "get", error) from None
        secret = msgspec.json.decode(body)
        metadata: Mapping[str, Any] = secret["metadata"]
        if not MANAGED_BY.items() <= (metadata.get("labels") or {}).items():
            raise UserError(
                f"{self.described(entry)} was made by somebody else, and is left alone: delete it if certgen is to make it,"
                " or do not run certgen for it"
            )
        self._versions[entry] = metadata["resourceVersion"]
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}

    async def write(self, entry: str, contents: Contents) -> None:
        """Write an entry that was read before. Raises ``UserError`` as `read` does, and where somebody wrote it meanwhile."""
        namespace, name = self._place(entry)
        data = {key: base64.b64encode(value).decode() for key, value in contents.items()}
        try:
            if version := self._versions.get(entry):
                change = {"metadata": {"resourceVersion": version}, "data": data}
                await self._api.send("PATCH", f"{_secrets(namespace)}/{name}", change)
                return
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "labels": MANAGED_BY},
                "type": "Opaque" if entry == CA else "kubernetes.io/tls",
                "data": data,
            }
            await self._api.send("POST", _secrets(namespace), secret)
        except (ApiError, Unreachable) as error:
            raise self._failed(entry, "patch" if entry in self._versions else "create", error) from None

    def _place(self, entry: str) -> tuple[str, str]:
        own = OWN_SECRETS.get(entry)
        return (self._namespace, own) if own else (entry.rpartition("/")[2], TENANT_SECRET)

    def _failed(self, entry: str, verb: str, error: ApiError | Unreachable) -> UserError:
        status = error.status if isinstance(error, ApiError) else None
        remedy = {
            403: f": bind a role that allows {verb} on it, as deploy/ and deploy/tenant/ have it",
            404: ": create the namespace first",
            _CONFLICT: ": somebody wrote it meanwhile; run certgen again",
        }.get(status or 0, "")
        return UserError(f"{self.described(entry)}: {error}{remedy}")


async def tenants_of(api: KubeApi, selector: str) -> list[str]:
    """Return the namespaces whose labels match, sorted. Raises ``UserError``."""
    try:
        body = await api.get("/api/v1/namespaces", {"labelSelector": selector})
    except (ApiError, Unreachable) as error:
        raise UserError(
            f"the namespaces that match {selector!r}: {error}: certgen needs list of namespaces"
        ) from None
    items = msgspec.json.decode(body)["items"]
    return sorted(item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"])


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"
