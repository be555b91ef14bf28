"""A client of the admin listener, for the command line: answers, or one line that says what went wrong and what to do.

It knows what can be asked, and not how answers look.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc

from xds.admin.rpc import stub_of
from xds.app.errors import UserError
from xds.app.settings import AdminListener
from xds.messages import debug_pb2 as pb

PATIENCE: Final = 30.0
"""Seconds for an answer that ends by itself."""

_T = TypeVar("_T")
_MISTAKES: Final = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


class UnreachableError(UserError):
    """Nobody answers at the address; the text names it, and says what to do."""


class AdminClient:
    """Asks one control plane. Its methods raise ``UserError``."""

    def __init__(self, listener: AdminListener) -> None:
        """Take whom to ask; the connection is made with the first question. Raises ``UserError`` for files of TLS that are none."""
        self._address = listener.address
        options = [("grpc.max_receive_message_length", -1)]
        if listener.tls_dir is None:
            self._channel = grpc.insecure_channel(listener.address, options=options)
        else:
            credentials = _credentials(listener.tls_dir)
            self._channel = grpc.secure_channel(listener.address, credentials, options=options)
        services = pb.DESCRIPTOR.services_by_name
        self._debug = stub_of(services["DebugService"], self._channel)
        self._loadbalancers = stub_of(services["LoadBalancerService"], self._channel)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def tenants(self) -> list[pb.Tenant]:
        """Return every tenant."""
        return list(self._each(self._debug.list_tenants(pb.ListTenantsRequest(), timeout=PATIENCE)))

    def envoys(self, tenant: str = "", node: str = "") -> list[pb.Envoy]:
        """Return the Envoys that are connected."""
        request = pb.ListEnvoysRequest(tenant=tenant, node=node)
        return list(self._each(self._debug.list_envoys(request, timeout=PATIENCE)))

    def dump(
        self, tenant: str, types: Iterable[str] = (), names: Iterable[str] = ()
    ) -> list[pb.ServedResource]:
        """Return what a tenant is served."""
        request = pb.DumpSnapshotRequest(tenant=tenant, types=types, names=names)
        return list(self._each(self._debug.dump_snapshot(request, timeout=PATIENCE)))

    def watch(self, tenant: str, node: str, types: Iterable[str]) -> Iterator[pb.Event]:
        """Yield what happens, for as long as the control plane runs."""
        return self._each(self._debug.watch(pb.WatchRequest(tenant=tenant, node=node, types=types)))

    def explain(self, namespace: str, name: str) -> pb.Explanation:
        """Return what became of a LoadBalancer."""
        request = pb.ExplainRequest(namespace=namespace, name=name)
        with self._told():
            answer: pb.Explanation = self._loadbalancers.explain(request, timeout=PATIENCE)
        return answer

    def _each(self, call: Iterator[_T]) -> Iterator[_T]:
        with self._told():
            yield from call

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell a call's failure as a mistake of the user's or as a listener that does not answer."""
        try:
            yield
        except grpc.RpcError as error:
            raise self._explained(error) from None

    def _explained(self, error: Any) -> UserError:
        code, details = error.code(), error.details()
        if code in _MISTAKES:
            return UserError(details)
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return UnreachableError(
                f"what listens on {self._address} is no admin listener of this version of kubelb-xds ({details}): give its "
                "address with --admin-address, which `kubelb-xds serve` logs as it starts"
            )
        # gRPC wraps the system's words in its own, for each address that it tried.
        reason = details.rpartition(": ")[2]
        return UnreachableError(
            f"no admin listener answers on {self._address} ({reason}): see that `kubelb-xds serve` runs and listens there, "
            "reach one in a cluster by `kubectl port-forward`, or give another address with --admin-address; one that wants mutual "
            "TLS wants --admin-tls-dir"
        )


def _credentials(folder: Path) -> grpc.ChannelCredentials:
    """Return what mutual TLS needs, from the files that a Secret or certgen has of it. Raises ``UserError``."""
    try:
        ca, certificate, key = ((folder / name).read_bytes() for name in ("ca.crt", "tls.crt", "tls.key"))
    except OSError as error:
        raise UserError(
            f"--admin-tls-dir: cannot read {error.filename}: {error.strerror}; a folder with ca.crt, tls.crt and tls.key is wanted"
        ) from None
    return grpc.ssl_channel_credentials(ca, key, certificate)


@contextmanager
def client_of(listener: AdminListener) -> Iterator[AdminClient]:
    """Ask the control plane that has this admin listener."""
    client = AdminClient(listener)
    try:
        yield client
    finally:
        client.close()
