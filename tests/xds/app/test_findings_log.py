"""What of a LoadBalancer's findings is said in the log."""

from structlog import get_logger
from structlog.testing import capture_logs

from kube.objects import ObjectRef
from xds.app.findings_log import FindingsLog
from xds.translate import Finding, Translation

WEB = ObjectRef("LoadBalancer", "tenant-a", "web")
MISSING = Finding("error", "ResolvedRefs", "InvalidCACertificateRef", "no such Secret", "spec.upstreamTLS")
NO_PORT = Finding("error", "Accepted", "PortNotAllocated", "no port yet")


def said(log: FindingsLog, *states: tuple[Finding, ...]) -> list[tuple[str, str]]:
    """Return level and text of each line about a LoadBalancer that has these findings one after the other."""
    with capture_logs() as lines:
        before = None
        for findings in states:
            after = Translation(resources=(), ports=(), findings=findings, recheck_at=None)
            log.changed(WEB, before, after)
            before = after
    assert {line["object"] for line in lines} <= {"LoadBalancer tenant-a/web"}
    return [(line["log_level"], line["event"].partition(":")[0]) for line in lines]


def test_what_passes_by_itself_is_for_who_looks_closely() -> None:
    """Where the leader allocates, a port that is yet to come is no error, and that it came heals nothing."""
    log = FindingsLog(get_logger(), passing={"PortNotAllocated"})
    assert said(log, (NO_PORT,), ()) == [("debug", "no port yet")]
    assert said(log, (NO_PORT, MISSING), (MISSING,), ()) == [
        ("debug", "no port yet"),
        ("error", "no such Secret"),
        ("info", "healed"),
    ]


def test_what_nobody_here_puts_right_is_said() -> None:
    """Where this program only reads, the same is an error until somebody records a port."""
    assert said(FindingsLog(get_logger()), (NO_PORT,), ()) == [("error", "no port yet"), ("info", "healed")]
