"""Whether a method keeps the contract of ``charachbench.protocols``: it is tried on a few small pairs.

Pairs are handed over as ``charachbench.generate`` does it, with the same order of calls. What a method writes is seen
where it is new in the working folder or left in the folder for temporary files; nowhere else, since weights and
environments may lie anywhere.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from charachbench.conformance.cases import Case, cases
from charachbench.conformance.checks import CHECKS, Check
from charachbench.conformance.trial import Fails, Skipped, Trial
from charachbench.errors import UserError
from charachbench.protocols import Method

__all__ = ["CHECKS", "Case", "Check", "Finding", "State", "cases", "check"]


class State(Enum):
    """How a check ended."""

    ok = "ok"
    fails = "fails"
    skipped = "skipped"


@dataclass(frozen=True)
class Finding:
    """How one check ended.

    Attributes:
        check: its name.
        detail: what was wrong and what is wanted, why it was skipped, or what is worth knowing; one sentence or empty.
    """

    check: str
    state: State
    detail: str


def check(
    make: Callable[[], Method],
    tried: dict[str, Case],
    given: Sequence[str] = (),
    *,
    device: str = "cpu",
    seed: int = 0,
    time_limit: float = 600.0,
) -> list[Finding]:
    """Try a method.

    Args:
        make: makes it anew, as its configuration says.
        tried: see ``cases``.
        given: what it may see beside character and driver: ``truth``, ``landmarks``.
        device: definite.
        seed: of the run.
        time_limit: seconds for each call; after one that does not end nothing else is tried.

    Returns:
        One for each of ``CHECKS``.
    """
    findings: list[Finding] = []
    blocked = ""
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        trial = Trial(make, tried, sorted(given), device, seed, time_limit, Path(folder))
        with _temporary_files_in(trial.temporary):
            try:
                for one in CHECKS:
                    finding = Finding(one.name, State.skipped, blocked) if blocked else _run(one, trial)
                    findings.append(finding)
                    if not blocked and trial.hung:
                        blocked = f"{trial.hung} did not end"
                    elif not blocked and one.essential and finding.state is not State.ok:
                        blocked = f"needs '{one.name}'"
            finally:
                with suppress(Exception, SystemExit):
                    trial.drop()
                trial.stop()
    return findings


def _run(one: Check, trial: Trial) -> Finding:
    try:
        return Finding(one.name, State.ok, one.run(trial))
    except Skipped as reason:
        return Finding(one.name, State.skipped, str(reason))
    except Fails as reason:
        detail = str(reason)
    except (Exception, SystemExit) as error:
        detail = _told(error)
    trial.failed.add(one.name)
    return Finding(one.name, State.fails, detail)


def _told(error: BaseException) -> str:
    """An exception in a sentence, with its place unless it was written for the user."""
    if isinstance(error, UserError):
        return str(error)
    places = [place for place in traceback.extract_tb(error.__traceback__) if "site-packages" not in place.filename]
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{said} ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else said


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Meanwhile this process and its children make temporary files there."""
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable
