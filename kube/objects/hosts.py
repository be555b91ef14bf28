"""Which endpoint addresses can work: an IP address or a host name, in either field.

Envoy takes the text as it is: a scheme or a port in it would be looked up in DNS and never be found, in silence.
Knows nothing of objects.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Final

MAX_HOST: Final = 253  # RFC 1035, without the root's dot

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?\Z")
# RFC 1123, 2.1: the last label of a name is never all digits, so `10.0.0.256` is a mistyped address and no name.
_LAST_LABEL_IS_NO_NUMBER = re.compile(r"[A-Za-z-][A-Za-z0-9-]*\.?\Z")

_WHAT = "must be an IP address or a host name"
_MISTAKES = (
    (re.compile(r"(?s:.*\s)"), "without blanks"),
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://"), "without a scheme such as http://"),
    (re.compile(r"[^:]+:\d*\Z|\[.*\]:\d*\Z"), "without a port; ports stand in the list `ports`"),
    (re.compile(r"\[.*\]\Z"), "without brackets"),
    (re.compile(r"[0-9A-Fa-f:.]+/\d+\Z"), "without a prefix length"),
    (re.compile(r"[0-9A-Fa-f:.]+%"), "without a zone"),
    (re.compile(r".*/"), "without a path"),
)


@lru_cache(maxsize=16384)  # every LoadBalancer of a tenant names the same nodes
def refuse_host(text: str) -> str | None:
    """Return None for an IP address or a host name, else what is allowed and what to leave out.

    A host name has at most 253 characters in labels of at most 63 letters, digits and inner hyphens (RFC 1123), its last
    label is not all digits, and it may end with the root's dot.
    """
    if len(text) <= MAX_HOST and _NAME.match(text) and _LAST_LABEL_IS_NO_NUMBER.search(text):
        return None
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        # A zone (fe80::1%eth0) means something on one machine only; Kubernetes refuses it too.
        if "%" not in text:
            return None
    for mistake, remedy in _MISTAKES:
        if mistake.match(text):
            return f"{_WHAT}, {remedy}"
    return f"{_WHAT} (at most 253 characters; labels of at most 63 letters, digits and hyphens)"
