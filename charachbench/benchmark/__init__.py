"""Benchmarks: where characters, drivers and pairs come from."""
