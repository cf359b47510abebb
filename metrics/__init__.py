"""Metrics: one file per family. Imports charachbench, never the other way round."""
