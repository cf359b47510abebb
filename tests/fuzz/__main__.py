"""``python -m tests.fuzz [COUNT] [FORMAT ...]``: so many mutations of each format (100), and what became of them."""

import sys
import tempfile
from pathlib import Path

from tests.fuzz import corpus, run
from tests.fuzz.readers import READERS


def main() -> None:
    count, names = int((sys.argv[1:] or ["100"])[0]), sys.argv[2:] or list(READERS)
    with tempfile.TemporaryDirectory() as folder:
        corpus.make(Path(folder))
        tallies = run.fuzz(Path(folder), names, range(count), Path("fuzz-failures"))
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    sys.stdout.write("\n\n".join([*failures, run.table(tallies)]) + "\n")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
