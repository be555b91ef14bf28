"""Ports as on a machine of which a test knows what is taken."""

from collections.abc import Mapping

from xds.app.demo.ports import PortChoice, Ports, Protocol


class MachineWith(Ports):
    """A machine on which these ports are taken, with what is free in their place, and every other is free."""

    def __init__(self, taken: Mapping[int, int] | None = None) -> None:
        super().__init__()
        self._taken = taken or {}

    def choose(self, purpose: str, wanted: int | None = None, protocol: Protocol = "TCP") -> PortChoice:
        """Choose without asking the kernel."""
        assert wanted is not None
        if wanted in self._taken:
            return self._keep(PortChoice(purpose, protocol, self._taken[wanted], wanted, "taken"))
        return self._keep(PortChoice(purpose, protocol, wanted))
