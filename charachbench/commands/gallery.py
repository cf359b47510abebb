"""`charachbench gallery`: make an appearance gallery of a benchmark's annotated characters."""

import logging
from pathlib import Path

from charachbench import config, provenance
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.protocols import LandmarkSource
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Write the file and say how to use it; nothing can fail halfway."""
    source = config.build(settings.landmarks["source"], "landmarks.source", LandmarkSource)
    store = Store(Path(settings.results))
    benchmark, device = open_benchmark(settings, store), provenance.resolve_device(settings.device)
    path = source.build_gallery(benchmark, store.root / "galleries", store.cache, device)
    log.info("%s\nuse it with: gallery=stored gallery.path=%s", path, path)
    return []
