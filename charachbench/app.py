"""The command line: `charachbench [COMMAND] [overrides]`."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from charachbench import __version__, config, output
from charachbench.errors import UserError, reason_for

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

CONF = Path(__file__).parent.parent / "conf"
"""Named as a folder, not as a package: a user may have a folder of that name on the path."""
WITH_METHOD = tuple(config.Command[name] for name in ("run", "generate", "evaluate", "bundle", "setup", "conformance"))
"""All others look at what is there."""
CHOOSES_METHOD = ("method=", "landmarks=", "retargeting=")

ENDS = (signal.SIGTERM, signal.SIGHUP)
GRACE = 8.0
"""Seconds after which what was told to end is ended: schedulers kill after 30, some after 10."""

EXAMPLES = """
  charachbench experiment=demo                                   all weight-free methods on the toy benchmark
  charachbench method=still                                      one method
  charachbench -m method=still,warp,oracle                       a sweep
  charachbench benchmark=folder benchmark.root=DIR method=warp   characters and drivers of your own
  charachbench method=videos method.root=DIR                     videos that are already made
  charachbench leaderboard                                       the tables again
  charachbench plan plan.methods=[still,warp]                    what is left to do: pairs, frames, hours, disk
  charachbench prune                                             which videos are scored and may go
  charachbench bundle method=still                               a run in one file, to be sent
  charachbench board board.root=DIR                              a leaderboard of such files
  charachbench study                                             a page for raters, of what is in the store
  charachbench methods                                           which methods there are, and what they need
  charachbench setup method=fomm                                 get a published method's code, packages and weights
  charachbench conformance method=still                          check a method against the contract
  charachbench weights method=faceshot_paper                     get the weights that these settings need
  charachbench doctor                                            what this machine has, and what it lacks
"""


def main() -> None:
    """Run the command line and exit: 0 all well, 1 something failed, 2 wrong usage, 130 interrupted."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(help_text())
        return
    if "--version" in arguments:
        sys.stdout.write(f"charachbench {__version__}\n")
        return
    if "log=json" in arguments:  # or errors would be text until the configuration is read
        output.use("json")
    for number in ENDS:
        if signal.getsignal(number) is signal.SIG_DFL:  # a scheduler's or a closed terminal's end is as Ctrl-C
            signal.signal(number, signal.default_int_handler)
    _end_in_time()
    try:
        sys.argv[1:] = translate(arguments)
        sys.exit(_run())
    except UserError as error:
        sys.exit(output.fail(str(error), 2))
    except KeyboardInterrupt:
        sys.exit(output.fail("interrupted; what is finished is kept, run the same command to go on", 130))
    except Exception as error:
        if not output.is_json():
            raise
        sys.exit(output.fail(reason_for(error), 1, traceback=traceback.format_exc()))


def _end_in_time() -> None:
    """Have a process that was told to end do so even while it is in code that knows nothing of Python's signals.

    What it was working on is lost, what is finished is not: files of the store appear whole or not at all.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while (number := os.read(reading, 1)[0]) not in ENDS:
            pass
        time.sleep(GRACE)
        os._exit(128 + number)

    threading.Thread(target=watch, daemon=True, name="end").start()


def translate(arguments: list[str]) -> list[str]:
    """Our arguments as Hydra's: a bare first word is the command, and `-m` may stand anywhere.

    Raises:
        UserError: there is no such command.
    """
    multirun = [argument for argument in arguments if argument in ("-m", "--multirun")]
    rest = [argument for argument in arguments if argument not in multirun]
    for group in [argument.removesuffix("=null") for argument in rest if argument.endswith("=null")]:
        if choices := _choices().get(group):  # Hydra would end in a ValueError
            raise UserError(f"{group}: 'null' is not known; accepted: {', '.join(choices)}")
    # settings that a method's file leaves at their defaults; unknown ones are told when the method is built
    rest = [f"++{argument}" if argument.startswith("method.") else argument for argument in rest]
    if not rest or rest[0].startswith("-") or "=" in rest[0]:
        return multirun + rest
    names = [command.name for command in config.Command]
    if rest[0] not in names:
        raise UserError(f"'{rest[0]}' is not a command;{config.suggest(rest[0], names)}")
    overrides = [f"command={rest[0]}"]
    if config.Command[rest[0]] not in WITH_METHOD and not multirun:
        overrides.append("hydra.mode=RUN")  # an experiment's sweep over methods means nothing here
    chosen = any(argument.startswith(CHOOSES_METHOD) for argument in rest)
    if rest[0] in ("evaluate", "check_bundle", "prune") and not multirun and not chosen:
        overrides += ["hydra.mode=RUN", "~method"]  # any run, not those alone over which a track would sweep
    if rest[0] == "gallery" and not any(argument.startswith("landmarks=") for argument in rest):
        overrides.append("landmarks=faceshot")
    return multirun + overrides + rest[1:]


def _run() -> int:
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from charachbench import sweep

    config.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, to be told in one sentence

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def task(composed: DictConfig) -> float | list[float] | None:
        from charachbench import sweep

        return sweep.run_job(composed)

    try:
        task()
    except (HydraException, OmegaConfBaseException) as error:
        raise config.explain(error) from error
    except Exception as error:  # of a launcher whose job died, or a sweeper that gave up: what jobs say tells more
        said = [str(error)] if isinstance(error, UserError) else []
        if isinstance(error, OSError) and (told := _cannot_be_written(error)):
            said = [told]
        if sweep.underway and not said:
            log.error("the sweep was given up: %s", reason_for(error))
        sweep.end()
        sweep.failures[:] = sweep.failures or said
        if not sweep.failures:
            raise
    if sweep.failures:
        count = len(sweep.failures)
        first = f"{f'{count} failed, the first: ' if count > 1 else ''}{sweep.failures[0]}"
        return output.fail(first, 1, failures=sweep.failures)
    return 0


def _cannot_be_written(error: OSError) -> str:
    """A full or read-only disk, which Hydra's folder of logs is the first to meet; empty for anything else."""
    in_logs = error.filename is not None and "logs" in Path(str(error.filename)).parts
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) and not in_logs:
        return ""
    where = error.filename or "the job's log"
    return f"{where}: cannot be written ({error.strerror}); hydra.run.dir=DIR puts the log elsewhere"


def _choices() -> dict[str, list[str]]:
    """What every configuration group offers; reads file names alone, so that it is instant."""
    folders = [*sorted(CONF.iterdir()), CONF / "hydra" / "launcher"]
    return {
        folder.relative_to(CONF).as_posix(): sorted(path.stem for path in folder.glob("*.yaml"))
        for folder in folders
        if folder.is_dir() and folder.name not in ("hydra", "local", "__pycache__")
    }


def help_text() -> str:
    """Usage, commands and choices."""
    lines = ["usage: charachbench [COMMAND] [SETTING=VALUE ...] [-m]", "", "commands:"]
    lines += [f"  {command.name:<13} {command.value}" for command in config.Command]
    lines += ["", "choices (GROUP=NAME):"]
    lines += [f"  {group:<14} {', '.join(choices)}" for group, choices in _choices().items()]
    lines += [
        "",
        "settings: GROUP.SETTING=VALUE, and",
        *(f"  {name:<13} {text}" for name, text in config.SETTINGS.items()),
    ]
    lines += ["", "examples:" + EXAMPLES]
    lines += ["-m sweeps over comma-separated values; --cfg job shows the configuration; --hydra-help tells the rest."]
    return "\n".join(lines) + "\n"
