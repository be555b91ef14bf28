"""Server reflection over all that the admin listener serves: our service's messages, and Envoy's, which have a pool of their own.

A client such as grpcurl learns from it what there is to call, and what is in a resource.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from grpc_reflection.v1alpha import reflection

from xds.messages import POOL


def register(server: Any, services: Iterable[str]) -> None:
    """Add reflection to a gRPC server that has not started, for services by their full names."""
    reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server, pool=_Pools())


class _Pools:
    """The pool of generated code and Envoy's as one: the methods are those that reflection calls."""

    def __init__(self) -> None:
        self._generated = descriptor_pool.Default()

    def FindFileByName(self, name: str) -> FileDescriptor:  # noqa: N802 — protobuf's
        """Return a file by its name. Raises ``KeyError``."""
        try:
            return self._generated.FindFileByName(name)
        except KeyError:
            return POOL.FindFileByName(name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 — protobuf's
        """Return the file that declares a symbol. Raises ``KeyError``."""
        try:
            return self._generated.FindFileContainingSymbol(symbol)
        except KeyError:
            return POOL.FindFileContainingSymbol(symbol)

    def FindMessageTypeByName(self, name: str) -> Descriptor:  # noqa: N802 — protobuf's
        """Return a message by its full name. Raises ``KeyError``."""
        try:
            return self._generated.FindMessageTypeByName(name)
        except KeyError:
            return POOL.FindMessageTypeByName(name)

    def FindExtensionByNumber(self, message: Descriptor, number: int) -> FieldDescriptor:  # noqa: N802 — protobuf's
        """Raise ``KeyError``: neither has extensions."""
        raise KeyError(f"{message.full_name} has no extension {number}")

    def FindAllExtensions(self, _: Descriptor) -> list[FieldDescriptor]:  # noqa: N802 — protobuf's
        """Return nothing: neither has extensions."""
        return []
