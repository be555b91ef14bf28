"""The objects that both servers of the comparison serve: LoadBalancers with a Secret each, as many as are asked for.

`bench/peer` makes the same in Go, byte for byte: a test compares them. A new certificate differs from others in its serial number
only, which costs the price of base64; nobody checks the signature of a root.
"""

import ssl
from itertools import count
from pathlib import Path
from typing import Final

from kube.informer.store import Stored
from kube.objects import (
    EndpointAddress,
    EndpointGroup,
    EndpointPort,
    LoadBalancer,
    LoadBalancerSpec,
    ObjectMeta,
    ObjectReference,
    Secret,
    ServicePort,
    UpstreamTLS,
)

_TEMPLATE: Final = Path(__file__).parent / "peer" / "ca.pem"
_MARKER: Final = b"bench:"
"""How the template's serial number begins; the eight bytes behind it are free to choose."""
_ENDPOINT_PORT: Final = 30443
_FIRST_LISTENER_PORT: Final = 20000
MOST: Final = 65536 - _FIRST_LISTENER_PORT
"""LoadBalancers that have a listener port each."""
_ADDRESSES: Final = tuple(EndpointAddress(ip=f"10.0.0.{host}") for host in (1, 2, 3))


class Objects:
    """The objects of one tenant."""

    def __init__(self, count: int, tenant: str) -> None:
        self._count = count
        self._tenant = tenant
        self._der = ssl.PEM_cert_to_DER_cert(_TEMPLATE.read_text())
        self._serial_at = self._der.index(_MARKER) + len(_MARKER)
        self._serials = _counting()
        self._next = 0

    def all(self) -> list[Stored]:
        """Return each LoadBalancer and each Secret in its first version."""
        return [
            *(self._secret(number) for number in range(self._count)),
            *(self._loadbalancer(number) for number in range(self._count)),
        ]

    def bumped(self, how_many: int) -> list[Secret]:
        """Return the Secrets of the next LoadBalancers, each with a new certificate."""
        numbers = [(self._next + offset) % self._count for offset in range(how_many)]
        self._next = (self._next + how_many) % self._count
        return [self._secret(number) for number in numbers]

    def _secret(self, number: int) -> Secret:
        metadata = ObjectMeta(name=f"ca-{number}", namespace=self._tenant)
        return Secret(metadata=metadata, ca_crt=self._certificate(next(self._serials)))

    def _certificate(self, serial: int) -> bytes:
        at = self._serial_at
        der = self._der[:at] + serial.to_bytes(8) + self._der[at + 8 :]
        return ssl.DER_cert_to_PEM_cert(der).encode()

    def _loadbalancer(self, number: int) -> LoadBalancer:
        return LoadBalancer(
            metadata=ObjectMeta(name=f"lb-{number}", namespace=self._tenant),
            spec=LoadBalancerSpec(
                endpoints=(EndpointGroup(addresses=_ADDRESSES, ports=(EndpointPort(port=_ENDPOINT_PORT),)),),
                ports=(ServicePort(port=_FIRST_LISTENER_PORT + number),),
                upstream_tls=UpstreamTLS(policy="Verify", ca_secret_ref=ObjectReference(name=f"ca-{number}")),
            ),
        )


def _counting() -> "count[int]":
    return count(1)
