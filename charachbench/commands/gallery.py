"""`charachbench gallery`: make an appearance gallery of a benchmark's annotated characters."""

import logging
from pathlib import Path

from charachbench import config, provenance
from charachbench.commands import detector, source
from charachbench.config import Config
from charachbench.output import event
from charachbench.protocols import LandmarkSource
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Write the file and say how to use it; nothing can fail halfway."""
    landmarks = config.build(settings.landmarks["source"], "landmarks.source", LandmarkSource)
    store = Store(Path(settings.results))
    benchmark = source(settings).open_characters(detector(settings), store.cache)
    device = provenance.resolve_device(settings.device)
    path = landmarks.build_gallery(benchmark, store.root / "galleries", store.cache, device)
    log.info("%s\nuse it with: gallery=stored gallery.path=%s", path, path, extra=event("file_written", path=path))
    return []
