"""A client of the admin listener, for the command line: answers, or one line that says what went wrong and what to do.

It knows what can be asked, and not how answers look.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import grpc

from xds.admin.rpc import stub_of
from xds.app.errors import UserError
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

    def __init__(self, address: str) -> None:
        """Take the admin listener's ``host:port``; the connection is made with the first question."""
        self._address = address
        self._channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
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
            "reach one in a cluster by `kubectl port-forward`, or give another address with --admin-address"
        )


@contextmanager
def client_of(address: str) -> Iterator[AdminClient]:
    """Ask the control plane whose admin listener has this ``host:port``."""
    client = AdminClient(address)
    try:
        yield client
    finally:
        client.close()
