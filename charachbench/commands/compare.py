"""`charachbench compare`: tell what changed between two folders of results."""

import logging
from pathlib import Path

from charachbench import output
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.leaderboard import changes, changes_report
from charachbench.store import atomic_write

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Show it and write it down; returns what got worse where ``compare.fail_on_worse`` asks for that."""
    chosen = settings.compare
    if chosen.before is None or chosen.after is None:
        raise UserError("compare: both folders must be given, as in compare.before=DIR compare.after=DIR")
    both, alone = changes.folders(Path(chosen.before), Path(chosen.after))
    for sentence in alone:
        log.warning("%s", sentence)
    worse = []
    for before, after in both:
        found = changes.compare(changes.read(before), changes.read(after))
        show(found, after if chosen.output is None else Path(chosen.output) / (after.name if len(both) > 1 else ""))
        worse += [
            f"{each.method}, {each.metric}: got worse, {each.before:.4g} → {each.after:.4g} (p {each.p:.2g})"
            for each in found.figures
            if each.verdict == "worse"
        ]
    return worse if chosen.fail_on_worse else []


def show(found: changes.Changes, folder: Path) -> None:
    """Print the tables, write them, and say where they are."""
    tidy = changes_report.tidy(found)
    output.show("changes", found.figures, changes_report.terminal(found), benchmark=found.benchmark, runs=found.runs)
    folder.mkdir(parents=True, exist_ok=True)
    text = changes_report.markdown(found)
    atomic_write(folder / "comparison.md", lambda path: path.write_text(text, encoding="utf-8"))
    atomic_write(folder / "comparison.csv", lambda path: tidy.to_csv(path, index=False))
    for name in ("comparison.md", "comparison.csv"):
        output.wrote(folder / name)
