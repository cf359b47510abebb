"""The toy benchmark: parametric faces whose landmarks, and whose true animation under any driver, are known exactly."""

VERSION = 1
"""Raised whenever pixels or landmarks can change."""
