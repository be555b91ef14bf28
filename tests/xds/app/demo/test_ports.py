"""A port that is taken is replaced by a free one, and said so."""

import socket
from contextlib import closing
from pathlib import Path

from xds.app.demo import ports
from xds.app.demo.ports import PortChoice, Ports


def _free() -> int:
    return Ports().choose("a test").number


def test_a_wanted_port_that_is_free_is_taken() -> None:
    """A port that nobody holds is chosen as it was wanted."""
    wanted = _free()
    chooser = Ports()
    choice = chooser.choose("xDS", wanted)
    assert choice == PortChoice("xDS", "TCP", wanted)
    assert not chooser.replaced
    assert str(choice) == f"TCP port {wanted} for xDS"


def test_a_port_on_which_someone_listens_is_replaced_and_said_so() -> None:
    """A TCP port that another socket listens on, be it on loopback only, is replaced by another."""
    with closing(ports.bound()) as holder:
        holder.listen()
        taken = holder.getsockname()[1]
        chooser = Ports()
        choice = chooser.choose("xDS", taken)
    assert choice.number != taken
    assert chooser.replaced == [choice]
    assert str(choice) == (
        f"TCP port {taken} for xDS cannot be had (Address already in use): using {choice.number} instead"
    )


def test_a_udp_port_that_is_bound_is_replaced() -> None:
    """A bound UDP port is taken for UDP, and free for TCP."""
    with closing(ports.bound("UDP")) as holder:
        taken = holder.getsockname()[1]
        assert Ports().choose("DNS", taken, "UDP").replaces == taken
        assert Ports().choose("DNS", taken, "TCP").number == taken


def test_a_port_shared_by_others_counts_as_taken() -> None:
    """A port that its holder would share with SO_REUSEPORT, as Envoy does, is replaced all the same."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((ports.LOOPBACK, _free()))
        holder.listen()
        taken = holder.getsockname()[1]
        assert Ports().choose("web", taken).replaces == taken


def test_no_port_is_chosen_twice() -> None:
    """A port that was chosen before is replaced, though nobody holds it yet."""
    chooser = Ports()
    first = chooser.choose("one", _free())
    second = chooser.choose("two", first.number)
    assert (second.replaces, second.reason) == (first.number, "chosen already")
    assert second.number != first.number
    assert chooser.choose("three", first.number, "UDP").number == first.number


def test_free_ports_lie_below_the_kernels_own_range() -> None:
    """No chosen port can be taken by the local end of an outgoing connection."""
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(range_file.read_text(encoding="ascii").split()[0])
    chooser = Ports()
    for _ in range(50):
        assert 10000 <= chooser.choose("a test").number < lowest
