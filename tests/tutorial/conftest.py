from tests.support.workbench import envoy_binary

__all__ = ["envoy_binary"]
