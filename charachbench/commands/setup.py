"""`charachbench setup`: install what a method needs outside of this environment, and get its weights."""

import logging

from charachbench.commands import weights
from charachbench.config import Config
from charachbench.generate import build_method
from charachbench.output import event
from charachbench.weights.download import Downloader

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Set up the configured method; returns what is missing afterwards."""
    method = build_method(settings)
    method.set_up(settings.setup.mirror)
    wanted = weights.needs(settings)
    failures = weights.fetch(wanted, Downloader()) if wanted else []
    if not failures and (lacking := method.lacks()):  # weights of the user's own, say
        return [lacking]
    if not failures:
        log.info("%s: ready", settings.method_name, extra=event("method_ready", method=settings.method_name))
    return failures
