"""What operators and their machinery ask a running control plane: whether it lives, whether it is ready, and its metrics."""

from xds.admin.grpc_admin import AdminServer
from xds.admin.ops import PATHS, OpsServer

__all__ = ["PATHS", "AdminServer", "OpsServer"]
