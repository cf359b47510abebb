"""`charachbench verify`: check every file of the store against its checksum, and list or mend what is wrong."""

from pathlib import Path

from rich.text import Text

from charachbench import output, verify
from charachbench.config import Config
from charachbench.store import Store


def execute(settings: Config) -> list[str]:
    """List what is wrong; with ``verify.repair`` remove what is then made again. Returns what remains wrong."""
    store, remaining = Store(Path(settings.results)), []
    found = 0
    for fault in verify.find(store.root):
        found += 1
        mend = settings.verify.repair and bool(fault.remove)
        if mend:
            fault.mend()
        else:
            remaining.append(f"{fault.path}: {fault.what}")
        output.show("fault", [fault], Text(f"{fault.path}: {fault.what}{', removed' if mend else ''}"), mended=mend)
    mended = found - len(remaining)
    again = "; the commands that made them make them again" if mended else ""
    output.show("verified", [], Text(f"{found} faults, {mended} mended{again}"), found=found, mended=mended)
    return remaining
