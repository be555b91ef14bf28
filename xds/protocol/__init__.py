"""The discovery protocol as state machines without I/O: no sockets, no tasks, no clock, no random numbers."""

from xds.protocol.response import Response
from xds.protocol.sequencer import Timing
from xds.protocol.stream import Due, ProtocolError, StreamState
from xds.protocol.type_state import Outcome, Push

__all__ = ["Due", "Outcome", "ProtocolError", "Push", "Response", "StreamState", "Timing"]
