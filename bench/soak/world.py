"""The LoadBalancers of the soak: what each of them is, how they change at random, and the objects that say so.

Everything follows from a seed, so that a run can be had again. It knows nothing of servers and clients.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Final, Self

from kube.informer.store import Stored
from kube.objects import ObjectRef
from tests.support.objects import loadbalancer, secret
from tests.support.pki import ca

AUTHORITIES: Final = 16
"""CA certificates that Secrets rotate through."""


@dataclass(frozen=True)
class Spec:
    """One LoadBalancer and its Secret: numbers that differ make resources that differ.

    ``address`` is in its endpoints, ``port`` is its listener's, ``ca`` its Secret's; ``named`` gives it a backend by name, so that its
    cluster needs no endpoints from us. ``present`` and ``has_secret`` say whether the objects are there.
    """

    tenant: str
    index: int
    policy: str | None
    ca: int = 0
    address: int = 0
    port: int = 0
    named: bool = False
    present: bool = True
    has_secret: bool = True

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return what ``written`` wrote."""
        return cls(**fields)

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    def objects(self) -> tuple[list[Stored], list[ObjectRef]]:
        """Return the objects that there are, and those that there are not."""
        lb = ObjectRef("LoadBalancer", self.tenant, f"lb-{self.index}")
        bundle = ObjectRef("Secret", self.tenant, f"ca-{self.index}")
        there: list[Stored] = []
        if self.present:
            high, low = divmod(self.address % 65536, 256)
            there.append(
                loadbalancer(
                    lb.name,
                    namespace=self.tenant,
                    # Two ports of its own: it never meets another one's.
                    port=20000 + 2 * self.index + self.port % 2,
                    address=f"backend-{self.address}.example" if self.named else f"10.{self.index % 256}.{high}.{low}",
                    policy=self.policy,
                    ca=bundle.name if self.policy == "Verify" else None,
                )
            )  # fmt: skip
        if self.has_secret:
            there.append(secret(bundle.name, _authority(self.ca % AUTHORITIES), namespace=self.tenant))
        known = {each.ref for each in there}
        return there, [ref for ref in (lb, bundle) if ref not in known]


@cache
def _authority(number: int) -> str:
    return ca(f"authority-{number}").pem.decode()


class World:
    """All LoadBalancers as they are to be now."""

    def __init__(self, seed: int, *, tenants: int, load_balancers: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 — repeatable, not secret
        self.tenants = [f"tenant-{number}" for number in range(tenants)]
        self._specs: dict[tuple[str, int], Spec] = {}
        for tenant in self.tenants:
            for index in range(load_balancers):
                policy = ("Verify", "Verify", "Insecure", None)[index % 4]
                self._put(Spec(tenant, index, policy, named=index % 10 == 9))  # noqa: PLR2004 — every tenth
        self.changes = 0

    def _put(self, spec: Spec) -> Spec:
        self._specs[spec.tenant, spec.index] = spec
        return spec

    def __iter__(self) -> Iterator[Spec]:
        return iter(self._specs.values())

    def change(self, among: range, tenant: str = "") -> Spec:
        """Change one LoadBalancer whose index is among these: its CA, addresses, policy, port, or whether it is there.

        It is of any tenant, unless one is named.
        """
        chance = self._random
        spec = self._specs[tenant or chance.choice(self.tenants), chance.choice(among)]
        policies = [each for each in ("Verify", "Insecure", None) if each != spec.policy]
        kinds: list[dict[str, Any]] = [
            {"ca": spec.ca + chance.randrange(1, AUTHORITIES), "policy": "Verify"},
            {"address": spec.address + 1},
            {"port": spec.port + 1},
            {"policy": chance.choice(policies)},
            {"present": False},
            {"has_secret": False},
        ]
        (fields,) = chance.choices(kinds, (40, 30, 8, 8, 8, 6))
        if not spec.present or not spec.has_secret:
            fields = {"present": True, "has_secret": True}
        self.changes += 1
        return self._put(replace(spec, **fields))

    def rotate(self, index: int) -> Spec:
        """Give one LoadBalancer of this index, there from now on, another CA."""
        spec = self._specs[self._random.choice(self.tenants), index]
        self.changes += 1
        return self._put(replace(spec, policy="Verify", ca=spec.ca + 1, present=True, has_secret=True))

    def touch(self) -> list[Spec]:
        """Make every resource differ from what it is, and everything be there: what was refused is worth another try."""
        self.changes += len(self._specs)
        return [
            self._put(
                replace(
                    spec,
                    policy="Verify",
                    ca=spec.ca + 1,
                    address=spec.address + 1,
                    port=spec.port + 1,
                    present=True,
                    has_secret=True,
                )
            )
            for spec in list(self._specs.values())
        ]
