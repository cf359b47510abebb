"""The pages on adding a baseline, followed literally in an empty folder."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
STEP = re.compile(r"(?P<before>[^\n]*(?:\n[^\n`]*)?)\n\n? {3}```(?P<language>\w+)\n(?P<text>.*?)\n {3}```\n", re.DOTALL)


def follow(page: str, folder: Path) -> str:
    """Write the files and run the commands of a page; returns what they print."""
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    variables |= {"CHARACBENCH_EXTERNAL": str(folder / "external"), "COLUMNS": "200"}
    printed = ""
    for step in STEP.finditer((DOCS / page).read_text(encoding="utf-8")):
        text = textwrap.dedent(step["text"]) + "\n"
        if step["language"] == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=variables, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
            printed += done.stdout + done.stderr
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
