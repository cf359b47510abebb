"""Pages whose commands are run literally in an empty folder."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

DOCS = Path(__file__).parents[1] / "docs"
STEP = re.compile(r"(?P<before>[^\n]*(?:\n[^\n`]*)?)\n\n? {3}```(?P<language>\w+)\n(?P<text>.*?)\n {3}```\n", re.DOTALL)


def run(commands: str, folder: Path) -> str:
    """Run commands as a shell does; returns what they print."""
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    variables |= {"CHARACBENCH_EXTERNAL": str(folder / "external"), "COLUMNS": "200"}
    line = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(line, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def follow(page: str, folder: Path) -> str:
    """Write the files and run the commands of a page; returns what they print."""
    printed = ""
    for step in STEP.finditer((DOCS / page).read_text(encoding="utf-8")):
        text = textwrap.dedent(step["text"]) + "\n"
        if step["language"] == "sh":
            printed += run(text, folder)
        else:
            path = folder / re.findall(r"`([\w/]+\.(?:py|yaml))`", step["before"])[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "row"), [("add-a-class.md", "swaying"), ("add-a-recipe.md", "theirs"), ("add-videos.md", "ours")]
)
def test_the_page_adds_a_row(page: str, row: str, tmp_path: Path) -> None:
    printed = follow(page, tmp_path)
    assert "fails" not in printed  # of the conformance table
    (board,) = (tmp_path / "results").glob("toy-*/leaderboard.md")
    assert re.search(rf"^\| {row} \| 24/24 \|", board.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.slow
def test_the_sweeps_give_the_figures_of_their_page(tmp_path: Path) -> None:
    page = (DOCS / "sweeps.md").read_text(encoding="utf-8")
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    printed = run(commands.replace("wandb sync", "test -d"), tmp_path)
    (board,) = (path for path in (tmp_path / "results").glob("toy-*/leaderboard.parquet") if "land" not in str(path))
    figures = pd.read_parquet(board).query("over == 'all' and metric == 'nme'").set_index("method")["value"]
    told = dict(re.findall(r"^\| ([^|†]+?) †? ?\| 8/8 \| ([\d.]+)", page, re.MULTILINE))
    assert len(told) == 6
    assert {name: float(text) for name, text in told.items()} == pytest.approx(dict(figures[list(told)]), rel=1e-2)
    best = re.compile(r"best_value: ([\d.]+)")
    assert float(best.findall(page)[0]) == pytest.approx(float(best.findall(printed)[0]), rel=1e-2)
