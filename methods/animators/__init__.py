"""Animators: landmark-driven renderers that methods share."""
