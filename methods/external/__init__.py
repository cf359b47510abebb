"""Upstream repositories, run as they are, in environments of their own.

``recipe`` says what a repository is and wants; ``installation`` gets it; ``job`` writes what it is given; ``running``
starts it; ``results`` judges what came out. ``method``, ``animator`` and ``landmarks`` make a ``Method``, an
``Animator`` and a ``LandmarkSource`` of that.
"""

from methods.external.method import External

__all__ = ["External"]
