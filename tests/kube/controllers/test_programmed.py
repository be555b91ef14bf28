from collections.abc import Iterable

from kube.controllers.programmed import PATIENCE, Programmed
from kube.controllers.programmed_state import TenantState
from kube.controllers.standing import Standing

TENANT = "tenant-a"


class Told:
    """A Programmed of one tenant, and the time."""

    def __init__(self, *names: str, synced: bool = True, envoys: int = 0) -> None:
        self.now = 100.0
        self.version = 0
        self.programmed = Programmed("here")
        self.content(*names)
        if synced:
            self.programmed.synced(self.now)
        if envoys:
            self.local(envoys=envoys, acked=names)

    def content(self, *names: str, generation: int = 1, empty: bool = False) -> str:
        """Change some LoadBalancers; return the version, which stays where they are empty."""
        self.version += not empty
        version = f"v{self.version}"
        generations = dict.fromkeys(names, generation)
        self.programmed.content(TENANT, version, generations, self.now, empty=names if empty else ())
        return version

    def local(
        self,
        *,
        envoys: int = 1,
        acked: tuple[str, ...] = (),
        behind: tuple[str, ...] = (),
        refused: dict[str, str] | None = None,
    ) -> None:
        """Say how this replica's Envoys stand."""
        self.programmed.local(
            TENANT, envoys=envoys, acked=acked, behind=behind, refused=refused, now=self.now
        )

    def reported(self, replica: str, version: str, *behind: str, envoys: int = 1, unnamed: int = 0) -> None:
        """Have another replica report."""
        standing = Standing(version=version, envoys=envoys, behind=set(behind), unnamed=unnamed)
        self.programmed.reported(replica, TENANT, standing, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, looking when it was asked for."""
        until = self.now + seconds
        while (at := self.programmed.next_expiry) is not None and at <= until:
            self.now = max(self.now, at)
            self.programmed.expire(self.now)
        self.now = until

    def says(self, name: str = "a") -> str | None:
        """Return status and reason of a condition."""
        condition = self.programmed.condition(TENANT, name)
        return f"{condition.status}/{condition.reason}" if condition else None


def test_true_once_the_only_envoy_has_acked() -> None:
    """Programmed is True when the Envoy has ACKed the content, for the generation that this content comes from."""
    told = Told("a")
    told.local(behind=("a",))
    assert told.says() is None
    told.local(acked=("a",))
    assert told.says() == "True/Programmed"
    condition = told.programmed.condition(TENANT, "a")
    assert condition is not None
    assert condition.observed_generation == 1
    assert told.programmed.news() == ((TENANT, "a"),)
    assert told.programmed.news() == ()


def test_what_nobody_could_have_is_not_true() -> None:
    """A LoadBalancer without content is Unknown after 60 s, whatever others report of the content that is as it was; with content it is its turn."""
    told = Told("a", envoys=1)
    told.reported("there", "v1")
    told.content("b", empty=True)
    told.local(envoys=0)
    assert told.says("b") is None
    told.local(acked=("a", "b"))
    told.wait(PATIENCE - 0.1)
    assert told.says("b") is None
    told.wait(0.1)
    assert told.says("b") == "Unknown/NotServed"
    assert told.says("a") == "True/Programmed"
    version = told.content("b")
    told.local(acked=("b",))
    assert told.says("b") == "Unknown/NotServed"
    told.reported("there", version)
    assert told.says("b") == "True/Programmed"


def test_a_change_leaves_it_true_until_patience_ends() -> None:
    """New content that is not ACKed leaves the condition as it is for 60 s, generation included; then it is Unknown."""
    told = Told("a", envoys=1)
    told.content("a", generation=2)
    told.wait(PATIENCE - 0.1)
    assert told.says() == "True/Programmed"
    condition = told.programmed.condition(TENANT, "a")
    assert condition is not None
    assert condition.observed_generation == 1
    told.wait(0.1)
    assert told.says() == "Unknown/NoAnswer"
    told.local(acked=("a",))
    assert told.says() == "True/Programmed"


def test_an_envoy_that_never_answers_is_never_true() -> None:
    """An Envoy that is stopped while content changes all the time is Unknown after 60 s, and stays so."""
    told = Told("a", "b", envoys=1)
    for _ in range(100):
        told.wait(1.0)
        told.content("a")
    assert told.says("a") == "Unknown/NoAnswer"
    assert told.says("b") == "True/Programmed"
    told.wait(1000)
    assert told.says("a") == "Unknown/NoAnswer"


def test_one_of_two_envoys_refuses() -> None:
    """Where one Envoy refuses what the other ACKs the condition is False with its words, only of the one that it refuses."""
    told = Told("a", "b", envoys=2)
    told.content("a", "b")
    told.local(envoys=2, acked=("b",), refused={"a": "no such filter"})
    assert told.says("a") == "False/Rejected"
    assert told.says("b") == "True/Programmed"
    condition = told.programmed.condition(TENANT, "a")
    assert condition is not None
    assert condition.message == "no such filter"
    told.local(envoys=1, acked=("a",))  # the one that refuses has left
    assert told.says("a") == "True/Programmed"


def test_a_refusal_on_another_replica() -> None:
    """What an Envoy of another replica refuses is False, while that replica speaks of this content; its words come first."""
    told = Told("a", envoys=1)
    refusal = Standing(version="v1", envoys=1, refused={"a": "no"})
    told.programmed.reported("other", TENANT, refusal, told.now)
    assert told.says() == "False/Rejected"
    told.content("a")
    told.local(acked=("a",))
    assert told.says() == "False/Rejected"  # as it was: that replica has not spoken of the new content
    told.reported("other", "v2")
    assert told.says() == "True/Programmed"


def test_a_refusal_of_content_that_is_not_known() -> None:
    """A refusal counts no more when its replica speaks of content that is not known here; what was waited for before shows again."""
    told = Told("a", envoys=1)
    told.reported("silent", "else")
    told.wait(PATIENCE)
    for version, says in (("v1", "False/Rejected"), ("else", "Unknown/NoAnswer")):
        refusal = Standing(version=version, envoys=1, refused={"a": "no"})
        told.programmed.reported("other", TENANT, refusal, told.now)
        assert told.says() == says


def test_no_envoy_is_connected() -> None:
    """Without an Envoy the condition stays for 60 s and is Unknown then; an Envoy that comes has its own 60 s to answer."""
    told = Told("a", envoys=1)
    told.local(envoys=0)
    told.wait(PATIENCE - 1)
    assert told.says() == "True/Programmed"
    told.wait(1)
    assert told.says() == "Unknown/NoEnvoyConnected"
    told.local(behind=("a",))
    told.wait(PATIENCE - 1)
    assert told.says() == "Unknown/NoEnvoyConnected"
    told.wait(1)
    assert told.says() == "Unknown/NoAnswer"


def test_an_envoy_that_crashes_over_and_over_does_not_renew_patience() -> None:
    """An Envoy that comes and goes without an ACK is no better than none: 60 s after the last ACK it is Unknown."""
    told = Told("a", envoys=1)
    for _ in range(6):
        told.local(envoys=0)
        told.wait(5)
        told.local(behind=("a",))
        told.wait(5)
    assert told.says() in {"Unknown/NoEnvoyConnected", "Unknown/NoAnswer"}


def test_the_other_replicas_content_is_older() -> None:
    """A report of content before a change counts for what did not change since, and as behind for what did."""
    told = Told("a", "b", envoys=1)
    told.reported("other", "v1")
    told.content("a")
    told.local(acked=("a",))
    told.wait(PATIENCE)
    assert told.says("a") == "Unknown/NoAnswer"
    assert told.says("b") == "True/Programmed"
    told.reported("other", "v2", "a")
    assert told.says("a") == "Unknown/NoAnswer"
    told.reported("other", "v2")
    assert told.says("a") == "True/Programmed"


def test_the_other_replicas_content_is_unknown() -> None:
    """A report of content that this replica never had is behind with everything: Unknown after 60 s, unless it is known then."""
    told = Told("a", "b", envoys=1)
    told.reported("other", "else")
    told.wait(PATIENCE - 1)
    assert told.says("b") == "True/Programmed"
    told.wait(1)
    assert {told.says("a"), told.says("b")} == {"Unknown/NoAnswer"}
    told.programmed.content(TENANT, "else", {"a": 2}, told.now)
    assert told.says("b") == "True/Programmed"
    assert told.says("a") == "Unknown/NoAnswer"


def test_a_replica_that_is_ahead_for_a_moment() -> None:
    """A report of content that this replica is about to have writes nothing in between."""
    told = Told("a", envoys=1)
    told.reported("other", "v1")
    told.programmed.news()
    told.reported("other", "v2")
    told.content("a", generation=1)
    told.local(acked=("a",))
    assert told.programmed.news() == ()
    assert told.says() == "True/Programmed"


def test_a_busy_loadbalancer_whose_reports_never_catch_up() -> None:
    """Where a LoadBalancer changes twice a second and reports come once a second, each about the last change but one, it stays True."""
    told = Told("a", envoys=1)
    told.reported("other", "v1")
    for _ in range(200):
        before = told.content("a")
        told.local(acked=("a",))
        told.wait(0.5)
        told.content("a")
        told.local(acked=("a",))
        told.reported("other", before)
        told.wait(0.5)
    assert told.says() == "True/Programmed"
    told.wait(PATIENCE)  # and nothing comes any more
    assert told.says() == "Unknown/NoAnswer"


def test_a_dead_replica_counts_no_more() -> None:
    """What a replica that is gone has not ACKed is nobody's any more; without it there is no Envoy at all."""
    told = Told("a", envoys=1)
    told.reported("other", "v1", "a")
    told.wait(PATIENCE)
    assert told.says() == "Unknown/NoAnswer"
    told.programmed.lost("other", told.now)
    assert told.says() == "True/Programmed"
    told.local(envoys=0)
    told.wait(PATIENCE)
    assert told.says() == "Unknown/NoEnvoyConnected"


def test_too_many_to_name() -> None:
    """A replica that could not name all that are behind is behind with all of that tenant's."""
    told = Told("a", "b", envoys=1)
    told.reported("other", "v1", unnamed=7)
    told.wait(PATIENCE)
    assert {told.says("a"), told.says("b")} == {"Unknown/NoAnswer"}
    told.reported("other", "v1", "b")
    assert (told.says("a"), told.says("b")) == ("True/Programmed", "Unknown/NoAnswer")


def test_tenants_that_a_replica_could_not_name() -> None:
    """A replica that leaves tenants out is behind with all of those, also with one that comes later; with none it named."""
    told = Told("a", envoys=1)
    told.programmed.reported("other", "tenant-b", Standing(version="x", envoys=1), told.now)
    told.programmed.content("tenant-b", "x", {"c": 1}, told.now)
    told.programmed.vague("other", told.now, is_vague=True)
    told.programmed.content("tenant-c", "y", {"d": 1}, told.now)
    told.programmed.local("tenant-c", envoys=1, acked=["d"], now=told.now)
    told.wait(PATIENCE)
    assert told.says() == "Unknown/NoAnswer"
    conditions = [told.programmed.condition(*who) for who in (("tenant-b", "c"), ("tenant-c", "d"))]
    assert [condition.status for condition in conditions if condition] == ["True", "Unknown"]
    told.programmed.vague("other", told.now, is_vague=False)
    assert told.says() == "True/Programmed"
    later = told.programmed.condition("tenant-c", "d")
    assert later is not None
    assert later.status == "True"


def test_a_restart_says_nothing_before_it_knows_better() -> None:
    """After a restart nothing is said until the reports are known and the Envoys are back; 60 s without them are an answer."""
    told = Told("a", "b", synced=False)
    told.local(acked=("a", "b"))
    told.wait(1)
    assert told.programmed.news() == ()
    told.reported("other", "v1", "b")
    told.programmed.synced(told.now)
    assert told.programmed.news() == ((TENANT, "a"),)
    assert told.says("b") is None
    told.wait(PATIENCE)
    assert told.says("b") == "Unknown/NoAnswer"


def test_what_another_one_wrote_for_the_generation_alone() -> None:
    """A new generation with the same content is ACKed already: the condition says so of the new generation at once."""
    told = Told("a", envoys=1)
    told.programmed.content(TENANT, "v1", {"a": 5}, told.now)
    condition = told.programmed.condition(TENANT, "a")
    assert condition is not None
    assert (condition.status, condition.observed_generation) == ("True", 5)


def test_what_is_deleted_leaves_nothing() -> None:
    """Of LoadBalancers and Envoys that are gone nothing is kept, and nothing is said; one of the same name begins anew."""
    told = Told("a", envoys=1)
    told.reported("other", "v1", "a")
    told.programmed.content(TENANT, "v2", {"a": None}, told.now)
    assert told.says() is None
    assert told.programmed.news() == ()
    told.local(envoys=0)
    told.programmed.reported("other", TENANT, None, told.now)
    assert repr(told.programmed) == "<Programmed tenants=0 open=0 synced=True>"
    told.content("a")
    assert told.says() is None


def test_ten_thousand_cost_what_changes() -> None:
    """Of 10,000 LoadBalancers only those are judged that a change, an ACK or a report is about; the rest is not looked at."""
    names = [f"lb-{index}" for index in range(10_000)]
    told = Told(*names, envoys=1)
    told.reported("other", "v1")
    judged: list[str] = []
    judge = told.programmed._judge

    def counting(tenant: TenantState, names: Iterable[str], now: float) -> None:
        listed = tuple(names)
        judged.extend(listed)
        judge(tenant, listed, now)

    told.programmed._judge = counting  # type: ignore[method-assign]
    told.programmed.news()
    told.content("lb-7", generation=2)
    told.local(acked=("lb-7",))
    told.reported("other", "v2", "lb-7")
    told.reported("other", "v2")
    assert set(judged) == {"lb-7"}
    assert len(judged) <= 5
    assert told.programmed.news() == ((TENANT, "lb-7"),)
