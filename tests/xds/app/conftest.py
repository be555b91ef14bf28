from tests.support.workbench import envoy_binary, run_envoy

__all__ = ["envoy_binary", "run_envoy"]
