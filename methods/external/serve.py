"""Runs a worker within an upstream's environment; started by ``running.Worker``, it imports nothing but what is there.

Usage: ``python serve.py WORKER.py DEVICE ARGUMENTS``, the last one JSON. The worker has ``load(device, arguments)`` and
``run(loaded, job)``. Each line of standard input is a job in JSON; each answer is a line ``{"ok": true}`` or
``{"ok": false}`` on what was standard output. All that is printed goes to standard error.
"""

import importlib.util
import json
import os
import pathlib
import sys
import traceback


def main() -> None:
    """Load, then answer until the input ends."""
    channel, requests = os.fdopen(os.dup(1), "w", buffering=1), os.fdopen(os.dup(0))
    os.dup2(2, 1)  # upstreams print, and may read; the channels are for jobs and answers alone
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    path, device, arguments = sys.argv[1:4]
    sys.argv = [path]
    sys.path[0] = str(pathlib.Path.cwd())
    spec = importlib.util.spec_from_file_location("charachbench_worker", path)
    worker = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(worker)  # type: ignore[union-attr]
    loaded = worker.load(device, json.loads(arguments))
    channel.write(json.dumps({"ok": True}) + "\n")
    for line in iter(requests.readline, ""):
        try:
            worker.run(loaded, json.loads(line))
            done = True
        except Exception:  # the next job may go well
            traceback.print_exc()
            done = False
        sys.stdout.flush()
        sys.stderr.flush()
        channel.write(json.dumps({"ok": done}) + "\n")


if __name__ == "__main__":
    main()
