"""Users, operators and a control plane do anything at any time, and the program is killed between any two steps: without I/O.

The model's clusters are two dictionaries, on which each step has the effect that the API servers would give it. Whatever the
order, the invariants hold after each step; and left alone, everything comes to rest as it is to be.
"""

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kube.ccm.backend_tls import backend_tls
from kube.ccm.copies import Copy
from kube.ccm.steps import Plan, Step, plan
from kube.ccm.wanted import Wanted, differences, is_of_use, is_taken, judge
from kube.objects.service import Service
from tests.kube.ccm.clusters import CA, POLICY
from tests.kube.ccm.things import CLUSTER, TENANT, copy_of, service
from tests.support.examples import examples
from tests.support.kube_client import Object

NOW = datetime(2026, 7, 1, tzinfo=UTC)
ANY = [
    {},
    {POLICY: "Insecure"},
    {POLICY: "Verify", CA: "ca"},
    {POLICY: "Verify"},
    {POLICY: "wrong"},
    {POLICY: "Verify", CA: ""},
    {CA: "ca"},
]
TYPES = ["LoadBalancer", "LoadBalancer", "LoadBalancer", "ClusterIP"]


class Clusters(RuleBasedStateMachine):
    """One Service and its LoadBalancer."""

    def __init__(self) -> None:
        super().__init__()
        # The Service as `service` makes it, and the LoadBalancer as `copy_of` does; None where there is none.
        self.service: dict[str, Any] | None = None
        self.copy: dict[str, Any] | None = None
        self.applied: Wanted | None = None
        self.finalizer = False
        self.before: Object | None = None

    # As the program sees it

    @property
    def seen(self) -> Service | None:
        """The Service, if it is of use."""
        found = service(**self.service) if self.service is not None else None
        return found if found is not None and is_of_use(found, by_class=False) else None

    @property
    def seen_copy(self) -> Copy | None:
        """The LoadBalancer."""
        return copy_of(self.applied, **self.copy) if self.copy is not None else None

    def planned(self) -> Plan:
        """Return the next step."""
        return plan(self.seen, self.seen_copy, tenant=TENANT, cluster=CLUSTER, by_class=False, now=NOW)

    # What others do

    @precondition(lambda self: self.service is None and self.copy is None)
    @rule(annotations=st.sampled_from(ANY), kind=st.sampled_from(TYPES))
    def create(self, annotations: dict[str, str], kind: str) -> None:
        """Create the Service, as a user."""
        self.service = {"annotations": annotations, "kind": kind, "guarded": False}

    @precondition(lambda self: self.service is not None)
    @rule(annotations=st.sampled_from(ANY))
    def annotate(self, annotations: dict[str, str]) -> None:
        """Change the annotations, as a user."""
        assert self.service is not None
        self.service["annotations"] = annotations

    @precondition(lambda self: self.service is not None)
    @rule(kind=st.sampled_from(TYPES))
    def retype(self, kind: str) -> None:
        """Change the type, as a user."""
        assert self.service is not None
        self.service["kind"] = kind

    @precondition(lambda self: self.service is not None)
    @rule()
    def delete(self) -> None:
        """Delete the Service, as a user: it goes at once, unless the finalizer keeps it."""
        assert self.service is not None
        self.service = {**self.service, "deleted": True} if self.service["guarded"] else None

    @precondition(lambda self: self.copy is not None and not self.copy.get("ending"))
    @rule()
    def delete_copy(self) -> None:
        """Delete the LoadBalancer, as an operator."""
        self._delete_copy()

    @precondition(lambda self: self.copy is not None and not self.copy.get("ending"))
    @rule(policy=st.sampled_from([None, {"policy": "Insecure"}]))
    def edit_copy(self, policy: object) -> None:
        """Edit the LoadBalancer, as an operator."""
        assert self.copy is not None
        self.copy["persistence"] = policy

    @precondition(lambda self: self.seen is not None and is_taken(self.seen, by_class=False))
    @rule(tls=st.sampled_from([None, {"policy": "Insecure"}, {"policy": "Verify"}]))
    def edit_tls(self, tls: Object | None) -> None:
        """Edit the TLS of a LoadBalancer that is as it is to be, as an operator: that is undone, also while the policy is wrong."""
        self.settle()
        if self.copy is None or self.copy.get("ending"):
            return
        assert self.seen_copy is not None
        before = self.seen_copy.spec.get("upstreamTLS")
        self.copy["upstreamTLS"] = tls
        self.settle()
        assert self.seen_copy is not None
        assert self.seen_copy.spec.get("upstreamTLS") == before

    @precondition(lambda self: self.copy is not None)
    @rule()
    def keep(self) -> None:
        """Put the control plane's finalizer on the LoadBalancer."""
        assert self.copy is not None
        if not self.copy.get("ending"):
            self.finalizer = True

    @precondition(lambda self: self.copy is not None and bool(self.copy.get("ending")))
    @rule()
    def let_go(self) -> None:
        """Have the control plane clean up."""
        self.copy, self.finalizer = None, False

    @precondition(lambda self: self.copy is not None)
    @rule(ip=st.sampled_from(["192.0.2.1", "192.0.2.2"]))
    def answer(self, ip: str) -> None:
        """Give it an address, as the cloud."""
        assert self.copy is not None
        self.copy["status"] = {"loadBalancer": {"ingress": [{"ip": ip}]}}

    # What the program does: each step by itself, whoever is killed before or after it

    @precondition(lambda self: self.planned().step not in {Step.NOTHING, Step.WAIT})
    @rule()
    def step(self) -> None:
        """Do the next step, if there is any."""
        self._do(self.planned())

    @precondition(lambda self: self.planned().step not in {Step.NOTHING, Step.WAIT})
    @rule()
    def settle(self) -> None:
        """Do all that can be done now."""
        while self._do(self.planned()):
            pass

    def _do(self, planned: Plan) -> bool:
        found = self.service
        match planned.step:
            case Step.GUARD:
                assert found is not None
                found["guarded"] = True
            case Step.APPLY:
                wanted = planned.judged.wanted
                assert wanted is not None
                status = self.copy.get("status") if self.copy else None
                self.applied, self.copy = wanted, {"status": status}
            case Step.TELL:
                assert found is not None
                assert planned.status is not None
                found["status"] = {
                    key: value
                    for key, value in {**(found.get("status") or {}), **planned.status.status}.items()
                    if value is not None
                }
            case Step.DELETE:
                self._delete_copy()
                if self.copy is None:
                    assert found is not None
                    found["guarded"] = False
                    self.service = None if found.get("deleted") else found
            case Step.ORPHANED:
                self._delete_copy()
            case _:
                return False
        return True

    def _delete_copy(self) -> None:
        if self.copy is not None:
            self.copy = {**self.copy, "ending": True} if self.finalizer else None

    # What always holds

    @invariant()
    def no_loadbalancer_without_a_guarded_service(self) -> None:
        """As long as there is a LoadBalancer that is not going, its Service cannot go without anybody noticing."""
        if self.copy is not None and not self.copy.get("ending"):
            assert self.service is not None
            assert self.service["guarded"]

    @invariant()
    def never_plain_by_mistake(self) -> None:
        """TLS goes only where the annotations are right, and say so."""
        now = self.seen_copy.spec.get("upstreamTLS") if self.seen_copy else None
        if self.before and self.copy is not None and now is None and self.service is not None:
            assert backend_tls(self.service["annotations"]).valid
        self.before = dict(now) if now else None

    def teardown(self) -> None:
        """Left alone, and with a control plane that cleans up, it comes to rest as it is to be."""
        for _ in range(20):
            if not self._do(self.planned()):
                if self.copy is not None and self.copy.get("ending"):
                    self.let_go()
                    continue
                break
        else:
            raise AssertionError("it never comes to rest")
        made = service(**self.service) if self.service is not None else None
        if made is None or not is_taken(made, by_class=False):
            assert self.copy is None
            assert self.service is None or not self.service["guarded"]
            return
        judged = judge(made, self.seen_copy, TENANT, CLUSTER)
        if judged.wanted is None:
            assert self.copy is None
        else:
            assert self.seen_copy is not None
            assert differences(judged.wanted, self.seen_copy) == ()


TestClusters = Clusters.TestCase
TestClusters.settings = settings(max_examples=examples(300), stateful_step_count=50, deadline=None)
