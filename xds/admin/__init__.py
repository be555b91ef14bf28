"""What operators and their machinery ask a running control plane: how it is, what it serves, and what each Envoy made of that."""

from xds.admin.csds import ClientStatus
from xds.admin.debug import Debug
from xds.admin.grpc_admin import AdminServer
from xds.admin.ops import PATHS, OpsServer
from xds.admin.watching import Watching

__all__ = ["PATHS", "AdminServer", "ClientStatus", "Debug", "OpsServer", "Watching"]
