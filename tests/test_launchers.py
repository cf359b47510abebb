"""Jobs of a sweep on every launcher: the same table as one process makes, also where jobs die."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.errors import MissingConfigException

from benchmarks import soak
from charachbench import config, provenance
from charachbench import sweep as sweep_module
from charachbench.config import Config
from charachbench.errors import UserError

ROOT = Path(__file__).parents[1]
LINE = [
    sys.executable, "-m", "charachbench", f"hydra.searchpath=[file://{ROOT}/tests/conf]", "benchmark=tiny",
    "metrics=fakes", "device=cpu", "report=false",
]  # fmt: skip
SHARDS = ["-m", "method=still,roll", "shard.index=0,1", "shard.count=2"]


def start(results: Path, *arguments: str, path: Path | None = None) -> subprocess.Popen[str]:
    variables = os.environ | {"PYTHONPATH": str(ROOT), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if path is not None:
        variables["PATH"] = f"{path}{os.pathsep}{variables['PATH']}"
    line = [*LINE, f"results={results}", *arguments]
    return subprocess.Popen(
        line, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=results.parent
    )


def run(results: Path, *arguments: str, path: Path | None = None) -> tuple[int, str]:
    process = start(results, *arguments, path=path)
    printed, _ = process.communicate(timeout=500)
    return process.returncode, printed


def table(results: Path) -> bytes:
    (path,) = results.glob("tiny-*/scores.parquet")
    return path.read_bytes()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    results = tmp_path_factory.mktemp("serial") / "results"
    assert run(results, "-m", "method=still,roll")[0] == 0
    return table(results)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["joblib", "hydra.launcher.n_jobs=2"],
        ["workstation", "hydra.launcher.n_jobs=2"],
        ["submitit_local"],
        ["ray"],
        ["ray_gpus", "hydra.launcher.ray.remote.num_gpus=0"],
    ],
    ids=lambda launcher: launcher[0],
)
def test_shards_on_every_launcher_give_the_serial_table(launcher: list[str], tmp_path: Path, serial: bytes) -> None:
    if launcher[0].startswith("ray"):
        pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs the extra [ray]")
    status, printed = run(tmp_path / "results", *SHARDS, f"hydra/launcher={launcher[0]}", *launcher[1:])
    assert status == 0, printed
    assert table(tmp_path / "results") == serial
    assert printed.count("tiny, 6 pairs") == 1  # one leaderboard
    jobs = list((tmp_path / "results").glob("logs/*/*/*/job.json"))
    devices = {json.loads(path.read_text())["settings"]["device"] for path in jobs}
    assert (len(jobs), devices) == (4, {"cpu"})


def pid_of(job: Path) -> int | None:
    """Of the process that works on a job of a sweep."""
    try:
        return int(json.loads((job / ".lease").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_job_that_is_killed_is_named_and_the_same_command_goes_on(launcher: str, tmp_path: Path) -> None:
    """Joblib ends the other jobs too; elsewhere they take over the dead one's pairs before the leaderboard is made."""
    results = tmp_path / "results"
    line = ["-m", "method=roll", "shard.index=0,1", "shard.count=2", "benchmark.characters=100"]
    line += [f"hydra/launcher={launcher}", *(["hydra.launcher.n_jobs=2"] if launcher == "joblib" else [])]
    process = start(results, *line)
    while process.poll() is None:
        jobs = list(results.glob("logs/*/*/1"))
        if jobs and len(list(results.glob("tiny-*/*/*/record.json"))) > 5 and (pid := pid_of(jobs[0])):
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.02)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 1, printed
    assert "jobs did not end (" in printed
    assert "Traceback" not in printed
    assert str(next(results.glob("tiny-*/leaderboard.md"))) in printed  # of what is there
    if launcher == "submitit_local":
        assert "1 of 2 jobs did not end (1)" in printed
        assert len(list(results.glob("tiny-*/*/*/scores.json"))) == 200
    status, printed = run(results, *line)
    assert status == 0, printed
    peaceful = tmp_path / "peaceful"
    assert run(peaceful, "method=roll", "benchmark.characters=100")[0] == 0
    assert table(results) == table(peaceful)


SBATCH = """
#!{python}
# Runs the tasks of an array, each as SLURM would, and returns at once.
import os, pathlib, re, subprocess, sys
script = pathlib.Path(sys.argv[1]).read_text()
pathlib.Path(__file__).with_name("submitted.sh").write_text(script)
found = re.search(r"--array=0-([0-9]+)", script)
for task in range(int(found[1]) + 1 if found else 1):
    about = dict(os.environ, SLURM_JOB_ID=str(1000 + task), SLURM_NTASKS="1", SLURM_JOB_NUM_NODES="1",
                 SLURM_NODEID="0", SLURM_PROCID="0", SLURM_LOCALID="0", CUDA_VISIBLE_DEVICES="")
    if found:
        about |= dict(SLURM_ARRAY_JOB_ID="1000", SLURM_ARRAY_TASK_ID=str(task))
    subprocess.Popen(["bash", sys.argv[1]], env=about, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("Submitted batch job 1000")
"""
SCONTROL = """
#!{python}
# Runs a job again after a while.
import pathlib, subprocess
here = pathlib.Path(__file__)
here.with_name("requeued").touch()
line = ["bash", "-c", "sleep 2; exec bash " + str(here.with_name("submitted.sh"))]
subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
"""
SRUN = """
#!/bin/bash
while [[ $1 == -* ]]; do case $1 in --output|--error) shift 2;; *) shift;; esac; done
exec "$@"
"""


@pytest.fixture
def slurm(tmp_path: Path) -> Path:
    """Commands that stand in for those of SLURM."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    states = "#!/bin/bash\necho 'JobID|State|NodeList'; for i in 0 1 2 3; do echo \"1000_$i|RUNNING|here\"; done\n"
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "sacct": states, "scontrol": SCONTROL}.items():
        (folder / name).write_text(textwrap.dedent(text).lstrip().replace("{python}", sys.executable))
        (folder / name).chmod(stat.S_IRWXU)
    return folder


@pytest.mark.slow
def test_the_preset_for_slurm_asks_for_a_gpu_a_job_and_gives_the_serial_table(
    tmp_path: Path, serial: bytes, slurm: Path
) -> None:
    line = [*SHARDS, "hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra.launcher.account=faces"]
    status, printed = run(tmp_path / "results", *line, path=slurm)
    assert status == 0, printed
    assert table(tmp_path / "results") == serial
    asked = {line for line in (slurm / "submitted.sh").read_text().splitlines() if line.startswith("#SBATCH")}
    wanted = ["array=0-3%4", "gpus-per-node=1", "cpus-per-task=8", "partition=gpu", "account=faces", "requeue"]
    assert {f"#SBATCH --{one}" for one in [*wanted, "time=240", "mem=32GB", "ntasks-per-node=1"]} <= asked
    assert any(line.endswith("@120") and "--signal=" in line for line in asked)  # to be told before the limit


@pytest.mark.slow
def test_a_job_that_slurm_ends_before_its_time_is_queued_again_and_goes_on(tmp_path: Path, slurm: Path) -> None:
    results = tmp_path / "results"
    line = ["method=roll", "benchmark.characters=100"]
    process = start(results, "-m", *line, *SHARDS[2:], "hydra/launcher=slurm", path=slurm)
    while process.poll() is None:
        jobs = list(results.glob("logs/*/*/1"))
        if jobs and len(list(results.glob("tiny-*/*/*/record.json"))) > 5 and (pid := pid_of(jobs[0])):
            os.kill(pid, signal.SIGUSR2)  # as SLURM before it preempts
            break
        time.sleep(0.02)
    printed, _ = process.communicate(timeout=300)
    assert (process.returncode, (slurm / "requeued").exists()) == (0, True), printed
    assert run(tmp_path / "peaceful", *line)[0] == 0
    assert table(results) == table(tmp_path / "peaceful")


@pytest.mark.skipif(shutil.which("sbatch") is not None, reason="SLURM is here")
def test_slurm_that_is_not_here_is_told_in_a_sentence(tmp_path: Path) -> None:
    status, printed = run(tmp_path / "results", *SHARDS, "hydra/launcher=slurm")
    assert status == 1
    assert printed == "charachbench: hydra/launcher: there is no SLURM here (sbatch and srun are not on the path)\n"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("hydra/launcher/ray", "hydra/launcher: 'ray' is not installed: pip install charachbench[ray]"),
        ("hydra/launcher/submitit_slurm", "'submitit_slurm' is not installed: pip install charachbench[slurm]"),
        ("hydra/sweeper/optuna", "hydra/sweeper: 'optuna' is not installed: pip install charachbench[optuna]"),
        ("hydra/launcher/rai", "hydra/launcher: 'rai' is not known; did you mean 'ray'? accepted: basic, ray"),
    ],
)
def test_a_plugin_that_is_not_installed_is_named_with_its_extra(missing: str, said: str) -> None:
    error = MissingConfigException("not found", missing, options=["basic", "ray"])
    assert said in str(config.explain(error))


@pytest.mark.parametrize(
    ("device", "gpus", "resolved"),
    [
        ("auto", 0, "cpu"),
        ("auto:3", 0, "cpu"),
        ("auto", 4, "cuda"),
        ("auto:3", 1, "cuda"),
        ("auto:3", 4, "cuda:3"),
        ("auto:9", 4, "cuda:1"),
    ],
)
def test_jobs_are_spread_over_gpus(device: str, gpus: int, resolved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert provenance.resolve_device(device) == resolved


@pytest.mark.parametrize(
    ("device", "launcher", "becomes"),
    [
        ("auto", "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "auto:5"),
        ("auto", "hydra._internal.core_plugins.basic_launcher.BasicLauncher", "auto"),
        ("cuda:1", "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "cuda:1"),
    ],
)
def test_only_jobs_beside_others_are_spread(device: str, launcher: str, becomes: str) -> None:
    hydra: Any = SimpleNamespace(launcher=SimpleNamespace(_target_=launcher), job=SimpleNamespace(num=5))
    assert sweep_module._of_several(Config(device=device), hydra).device == becomes


def test_gpus_are_counted_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for visible, count in (("", 0), ("-1", 0), ("2", 1), ("0,3, 5", 3), ("GPU-1,MIG-2", 2)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert provenance.count_gpus() == count


def test_a_device_is_one_of_those_that_are_known() -> None:
    with pytest.raises(UserError, match="accepted: auto, auto:N, cpu, cuda, cuda:N, mps"):
        Config(device="auto:x")


@pytest.mark.slow
def test_a_store_whose_processes_are_killed_or_whose_files_are_damaged_ends_as_any_other(tmp_path: Path) -> None:
    for number, count in ((signal.SIGKILL, 3), (None, 5)):
        figures = soak.soak(tmp_path / str(number), count, 120, number, seed=1, pairs=6)
        assert figures.done == count
        assert (figures.pairs, figures.damaged, figures.leftovers, figures.differences) == (12, 0, 0, 0)
        assert figures.same_file
