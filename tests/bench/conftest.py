"""Ports for programs of their own."""

from tests.support.workbench import free_port

__all__ = ["free_port"]
