from itertools import permutations
from typing import Any

from tests.xds.messages.process import run
from xds.messages import Any_, Node, TransportSocket, UpstreamTlsContext, pack, type_url

KEYS = ("a", "b", "c", "d")

PACK_IN_REVERSE = f"""
import sys
from xds.messages import Node, pack
node = Node(metadata={{"fields": {{key: {{"string_value": key}} for key in {KEYS[::-1]}}}}})
sys.stdout.buffer.write(pack(node).value)
"""


def node(keys: tuple[str, ...]) -> Any:
    """Return a node with this metadata, put in in this order."""
    return Node(metadata={"fields": {key: {"string_value": key} for key in keys}})


def test_pack_says_the_type() -> None:
    """A packed message is an ``Any`` with the message's type URL and its encoding."""
    context = UpstreamTlsContext(sni="a.example")
    packed = pack(context)
    assert isinstance(packed, Any_)
    assert packed.type_url == type_url(UpstreamTlsContext)
    assert UpstreamTlsContext.FromString(packed.value) == context


def test_a_packed_message_fits_into_a_field() -> None:
    """What ``pack`` returns is taken by a field such as ``typed_config``."""
    packed = pack(UpstreamTlsContext(sni="a.example"))
    assert TransportSocket(name="tls", typed_config=packed).typed_config == packed


def test_the_order_of_a_map_does_not_show() -> None:
    """Equal messages whose maps were filled in another order are packed to the same bytes."""
    assert len({pack(node(keys)).value for keys in permutations(KEYS)}) == 1


def test_another_process_packs_the_same() -> None:
    """A message is packed to the same bytes in another process, whatever order its hash tables have there."""
    assert run(PACK_IN_REVERSE) == pack(node(KEYS)).value
