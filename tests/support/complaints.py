"""What gRPC and asyncio complain of in the standard library's log."""

import pytest

_ANOTHER_LOOP = "Exception in callback PollerCompletionQueue._handle_events"
"""gRPC's poller outlives a test's event loop, and stumbles over the loops of earlier tests that are closed."""


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages that were logged while a test ran, less those of gRPC's poller about closed loops."""
    messages = [record.getMessage() for record in caplog.get_records("call")]
    return [message for message in messages if not message.startswith(_ANOTHER_LOOP)]
