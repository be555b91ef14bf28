"""From a service's descriptor to what a gRPC server serves and a client calls: the methods, their messages, and what a caller is told.

A method is found by its name, in Python's spelling, on the object that implements the service. It knows no service.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

_KINDS: Final[dict[tuple[bool, bool], Callable[..., Any]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
_CALLS: Final = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_FAULT: Final = "internal error; the server's log says more"


class CallError(Exception):
    """A call that cannot be answered; the text says why, and what the caller can do."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def handlers_of(service: ServiceDescriptor, implementation: object) -> Any:
    """Return gRPC's handlers for a service. An implementation's method raises ``CallError`` for the caller's mistakes."""
    rpcs = {method.name: _handler(method, implementation) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, rpcs)


def _handler(method: MethodDescriptor, implementation: object) -> Any:
    function = getattr(implementation, _python_name(method))
    return _KINDS[method.client_streaming, method.server_streaming](
        _streaming(function) if method.server_streaming else _single(function),
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )


def _single(function: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def call(request: Any, context: Any) -> Any:
        try:
            return await function(request, context)
        except Exception as error:  # noqa: BLE001 — told apart there
            await _refuse(context, error)

    return call


def _streaming(
    function: Callable[[Any, Any], AsyncIterator[Any]],
) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def call(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in function(request, context):
                yield response
        except Exception as error:  # noqa: BLE001 — told apart there
            await _refuse(context, error)

    return call


def stub_of(service: ServiceDescriptor, channel: Any) -> Any:
    """Return an object that calls a service over a channel, with the methods that an implementation of it has."""
    return SimpleNamespace(
        **{
            _python_name(method): getattr(channel, _CALLS[method.client_streaming, method.server_streaming])(
                f"/{service.full_name}/{method.name}",
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            for method in service.methods
        }
    )


def _python_name(method: MethodDescriptor) -> str:
    return _CAPITAL.sub("_", method.name).lower()


async def _refuse(context: Any, error: Exception) -> None:
    """End a call for what went wrong in it: the caller's fault, the connection's, or ours."""
    if isinstance(error, grpc.aio.BaseError | grpc.aio.AbortError):
        raise error
    if isinstance(error, CallError):
        await context.abort(error.code, str(error))
    structlog.get_logger("xds.admin").error("a call failed: this is a fault of the program", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, _FAULT)
