"""A process that reads mutated files, so that a crash, a hang or an allocation is its own, and is told which file.

Started as ``python -m tests.fuzz.worker CORPUS``; takes lines ``FORMAT NUMBER``, answers each with an object in JSON.
"""

import json
import os
import random
import resource
import sys
import traceback
from pathlib import Path

ROOM = 3 * 2**30
"""Bytes of addresses that reading may take; decoders' threads reserve some hundred MB without using them."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what decoders print is no answer
    from charachbench.errors import UserError
    from tests.fuzz.readers import READERS

    corpus = Path(sys.argv[1])
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    for line in sys.stdin:
        name, number = line.split()
        reader = READERS[name]
        work = corpus / "work" / name
        work.mkdir(parents=True, exist_ok=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        told = ""
        try:
            reader.mutate(corpus / name, work, random.Random(f"{name} {number}"))
            outcome = reader.read(work)
        except UserError as error:
            outcome, told = "memory" if _is_of_memory(error) else "error", str(error)
        except BaseException:
            outcome, told = "wrong", traceback.format_exc()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        answers.write(json.dumps({"outcome": outcome, "told": told, "grown_mib": grown}) + "\n")
        answers.flush()


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether it was the limit that ended it: a reader must refuse before it allocates."""
    return error is not None and (isinstance(error, MemoryError) or _is_of_memory(error.__cause__ or error.__context__))


if __name__ == "__main__":
    main()
