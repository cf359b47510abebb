"""`charachbench setup`: install what a method needs outside of this environment, and get its weights."""

import logging

from charachbench.commands import weights
from charachbench.config import Config
from charachbench.generate import build_method
from charachbench.weights.download import Downloader

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Set up the configured method; returns what is missing afterwards."""
    build_method(settings).set_up(settings.setup.mirror)
    wanted = weights.needs(settings)
    return weights.fetch(wanted, Downloader()) if wanted else []
