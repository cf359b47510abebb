"""`charachbench study`: make a page on which people judge the finished videos without knowing whose they are."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.output import event
from charachbench.store import Store
from charachbench.study import design, page

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Write the page and its key; nothing can fail halfway."""
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    study = design.make(settings, benchmark, store)
    folder = design.folder_of(settings, benchmark, store)
    index = page.write(folder / page.FOLDER, settings.study.name, study, benchmark, store)
    log.info(
        "%s: %d methods, %d cases, %d raters of %d screens each\n%s\ngive out the whole folder %s, and to each rater a "
        "number from 1 to %d (%s?rater=1, ...); keep %s to yourself, and put what comes back into %s",
        settings.study.name, len(study.methods), len(study.cases), len(study.raters), len(study.raters[0]), index,
        page.FOLDER, len(study.raters), page.INDEX, design.KEY_FILE, folder / design.RESPONSES,
        extra=event("study", page=index, methods=len(study.methods), cases=len(study.cases), raters=len(study.raters)),
    )  # fmt: skip
    return []
