"""The way to a Kubernetes API server: credentials, requests, writes, and watches as lines. Knows no object and no kind.

It is built on kubernetes.aio's transport and authentication. Whoever does not use Kubernetes should not import it: that
library takes 0.3 s and 15 MB.
"""

from kube.client.access import Access
from kube.client.api import APPLY, JSON, MERGE_PATCH, KubeApi
from kube.client.errors import AccessError, ApiError, Unreachable

__all__ = ["APPLY", "JSON", "MERGE_PATCH", "Access", "AccessError", "ApiError", "KubeApi", "Unreachable"]
