"""The words that tenants, management cluster and cloud controller manager have agreed on. Sources: KubeLB's API and its documentation."""

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "kubelb.k8c.io/"
ORIGIN_NAME: Final = f"{PREFIX}origin-name"
ORIGIN_NAMESPACE: Final = f"{PREFIX}origin-ns"
TENANT: Final = f"{PREFIX}tenant"
MANAGED_BY: Final = f"{PREFIX}managed-by"
"""Labels of what is written into the management cluster."""

TLS_POLICY: Final = f"{PREFIX}backend-tls-policy"
TLS_CA_SECRET: Final = f"{PREFIX}backend-tls-ca-secret"
"""Annotations of a tenant's Service that become ``spec.upstreamTLS`` and are not copied."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl keeps the whole Service; not copied either."""

TENANT_CLUSTER: Final = f"{PREFIX}tenant-cluster"
"""Annotation of ours: the uid of kube-system in the cluster that a LoadBalancer comes from, so that nobody takes another's for an orphan."""

MANAGER: Final = "kubelb-ccm"
"""Field manager of every write, value of the label managed-by, name of the lease and of who tells Events."""

KEPT_TLS: Final = f"{PREFIX}kept-upstream-tls"
"""Annotation of ours, while a Service's annotations do not say what TLS is to be: ``spec.upstreamTLS`` as it stays, in JSON, so that
an edit by hand can be told from it."""

ADDRESSES: Final = "default"
"""The Addresses object that every LoadBalancer refers to."""

LOADBALANCER_CLASS: Final = "kubelb"
"""``spec.loadBalancerClass`` of the Services that are taken with ``--use-loadbalancer-class``."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose Services these are: ``name`` is the cluster's."""

    name: str

    @property
    def namespace(self) -> str:
        """Where the tenant's objects are in the management cluster."""
        return f"tenant-{self.name}"

    @property
    def labels(self) -> dict[str, str]:
        """What everything has that is written there."""
        return {MANAGED_BY: MANAGER, TENANT: self.namespace}
