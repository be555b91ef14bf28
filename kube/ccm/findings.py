"""What is wrong with a tenant's Service, as a value: it becomes a Warning Event there, and a condition that remembers it."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing: ``reason`` is a CamelCase word, ``message`` names the field or annotation, its value and the remedy."""

    reason: str
    message: str
