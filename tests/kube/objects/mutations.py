"""Specs of LoadBalancers that are valid or nearly so: good ones in which a few values were exchanged, dropped or added."""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["", *"abcdefg", "web-1"])
PORTS = st.sampled_from([1, 65535]) | st.integers(1, 65535)
PROTOCOLS = st.sampled_from(["TCP", "UDP"])
GOOD_HOSTS = st.sampled_from(
    ["10.0.0.1", "2001:db8::1", "::ffff:1.2.3.4", "a", "a.b.", "A-1.b", "1.a", "a" * 63 + ".b"]
)
# Near the border between hosts and what only looks like one.
BORDER = """
1.a-1 10-0-0-1 a.01.b :: 0::0 1::8:0
a.1 10.0.0.256 01.2.3.4 1.2.3.04 ::01.2.3.4 ::0ffff:1.2.3.4 1 1::2::3 fe80::1%a a_b a.-1 -a . a..b http://a a:1 [::1] 10.0.0.0/8 ä
"""
BORDER_HOSTS = (
    st.sampled_from([*BORDER.split(), "", "a\n", "\n", " a", "a" * 63, "a" * 64, ".".join(["a" * 63] * 4)])
    | st.text("a1A.-:_ \n", max_size=6)
    | st.ip_addresses().map(str)
)  # fmt: skip
HOSTS = st.one_of(*[GOOD_HOSTS] * 9, BORDER_HOSTS)


ADDRESSES = st.fixed_dictionaries({"ip": HOSTS}, optional={"hostname": HOSTS}) | st.fixed_dictionaries(
    {"hostname": HOSTS}
)
PORT_ENTRIES = st.fixed_dictionaries({"port": PORTS}, optional={"name": NAMES, "protocol": PROTOCOLS})
REFERENCES = st.fixed_dictionaries({"name": st.sampled_from(["default", "ca"])})
GROUP_PORTS = st.lists(PORT_ENTRIES, min_size=1, max_size=3)
GROUPS = st.fixed_dictionaries(
    {"addresses": st.lists(ADDRESSES, min_size=1, max_size=2), "ports": GROUP_PORTS}, optional={"name": NAMES}
) | st.fixed_dictionaries(
    {"addressesReference": REFERENCES, "ports": GROUP_PORTS},
    optional={"addresses": st.lists(ADDRESSES, max_size=2)},
)
SPECS = st.fixed_dictionaries(
    {"endpoints": st.lists(GROUPS, min_size=1, max_size=2)},
    optional={
        "ports": st.lists(PORT_ENTRIES, max_size=3),
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
        "hostname": NAMES,
        "persistence": st.just({"type": "SourceIP"}),
        "upstreamTLS": st.fixed_dictionaries(
            {"policy": st.sampled_from(["Insecure", "Verify"])}, optional={"caSecretRef": REFERENCES}
        ),
    },
)
JSON_JUNK: st.SearchStrategy[Any] = (
    st.sampled_from(
        [None, True, 0, -1, 1.5, 65536, 2**70, "", "80", "tcp", "SCTP", "Web_1", "a\n", "ä", [], {}, [{}]]
    )
    | st.sampled_from(["x" * 63, "x" * 64, "x" * 253, "x" * 254, {"name": ""}, ["a"], {"ip": "10.0.0.1"}])
    | PORTS
    | PROTOCOLS
    | NAMES
)


@st.composite
def mutated(draw: Callable[..., Any], junk: st.SearchStrategy[Any] = JSON_JUNK) -> dict[str, Any]:
    """Draw a spec and change it in up to three places; what is drawn is copied, for a later change must not reach the strategy."""
    spec: dict[str, Any] = copy.deepcopy(draw(SPECS))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        places = list(_places(spec))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["exchange", "drop", "repeat", "add"])):
            case "exchange":
                holder[key] = copy.deepcopy(draw(junk))
            case "drop":
                del holder[key]
            case "repeat" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case _ if isinstance(holder, dict):
                holder[draw(st.sampled_from(["nmae", "IP", "x"]))] = copy.deepcopy(draw(junk))
    return spec


def _places(node: Any) -> Any:
    """Yield every (mapping or list, key or index) in a document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from _places(value)
