"""`charachbench verify`: check every file of the store against its checksum, and list or mend what is wrong."""

import logging
from pathlib import Path

from charachbench import verify
from charachbench.config import Config
from charachbench.output import event
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """List what is wrong; with ``verify.repair`` remove what is then made again. Returns what remains wrong."""
    mended, remaining = 0, []
    for fault in verify.find(Store(Path(settings.results)).root):
        mend = settings.verify.repair and bool(fault.remove)
        if mend:
            fault.mend()
            mended += 1
        else:
            remaining.append(f"{fault.path}: {fault.what}")
        told = event("fault", path=str(fault.path), what=fault.what, mended=mend)
        log.warning("%s: %s%s", fault.path, fault.what, ", removed" if mend else "", extra=told)
    found = mended + len(remaining)
    again = "; the commands that made them make them again" if mended else ""
    log.info("%d faults, %d mended%s", found, mended, again, extra=event("verified", found=found, mended=mended))
    return remaining
