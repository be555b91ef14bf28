"""The discovery protocol as state machines without I/O: no sockets, no tasks, no clock, no random numbers."""

from xds.protocol.awaited import Awaited, Report, Waiting
from xds.protocol.delivery import Delivery, Envoy
from xds.protocol.response import Response
from xds.protocol.sequencer import Timing
from xds.protocol.standing import Refusal, ResourceState, Standing
from xds.protocol.steps import Outcome, Push
from xds.protocol.stream import Due, ProtocolError, StreamState

__all__ = [
    "Awaited",
    "Delivery",
    "Due",
    "Envoy",
    "Outcome",
    "ProtocolError",
    "Push",
    "Refusal",
    "Report",
    "ResourceState",
    "Response",
    "Standing",
    "StreamState",
    "Timing",
    "Waiting",
]
