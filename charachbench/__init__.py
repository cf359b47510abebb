"""charachbench: evaluation and benchmarking of portrait animation on characters of any kind."""

__version__ = "0.1.0"
