from tests.support.workbench import envoy_binary, free_port, run_envoy

__all__ = ["envoy_binary", "free_port", "run_envoy"]
