"""Benchmarks: they print numbers and assert none."""
