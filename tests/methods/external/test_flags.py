"""The check of recipes' flags, on small sources."""

import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml

from methods.external import flags

PARSER = """
import argparse

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", "-c", required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--model", choices=["vox", "ted"])
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--pair", nargs=2)
    parser.add_argument("--audio", action=argparse.BooleanOptionalAction)
    parser.parse_args()
"""


def checked(clone: Path, sources: dict[str, str], command: str, **where: str) -> list[flags.Command]:
    """What is said of a command in a repository with these files."""
    for name, source in sources.items():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text(textwrap.dedent(source), encoding="utf-8")
    return list(flags.commands(command.split(), clone, **where))


@pytest.mark.parametrize(
    "arguments",
    [
        "--config a",
        "-c a --size 3 --model vox --cpu --pair 1 2 --no-audio",
        "--config={work}/x.yaml --size {frames} --model {stem} --audio",
        "--config a --size -1",
    ],
)
def test_what_argparse_takes_is_well(tmp_path: Path, arguments: str) -> None:
    """Names, values, choices and placeholders."""
    [command] = checked(tmp_path, {"demo.py": PARSER}, f"python demo.py {arguments}")
    assert not command.refused, command
    assert command.given[0] in ("--config", "-c")


@pytest.mark.parametrize(
    ("arguments", "unknown", "missing", "problems"),
    [
        ("--config a --sise 3 4", ["--sise"], [], []),
        ("--size 3", [], ["--config"], []),
        ("--config a --size big", [], [], ["--size: 'big' is no int"]),
        ("--config a --model taichi", [], [], ["--model: 'taichi' is none of vox, ted"]),
        ("--config a --pair 1", [], [], ["--pair: takes 2, has 1"]),
        ("--config --cpu", [], [], ["--config: takes 1, has 0"]),
        ("--config a --cpu yes", [], [], ["no place for yes"]),
        ("--config a --no-cpu", ["--no-cpu"], [], []),
    ],
)
def test_what_argparse_refuses_is_told(
    tmp_path: Path, arguments: str, unknown: list[str], missing: list[str], problems: list[str]
) -> None:
    """Each for its own reason, and nothing else."""
    [command] = checked(tmp_path, {"demo.py": PARSER}, f"python demo.py {arguments}")
    assert (command.unknown, command.missing, command.problems) == (unknown, missing, problems)
    assert command.refused


def test_places(tmp_path: Path) -> None:
    """Arguments without names, too few and too many."""
    source = "p.add_argument('image')\np.add_argument('scale', type=float)\np.add_argument('--x')\n"
    told = [
        checked(tmp_path, {"a.py": source}, f"python a.py {given}")[0].problems
        for given in ("one --x 3 2.5", "one", "one 2 3", "one two")
    ]
    few, many, kind = ["1 of 2 arguments without a name"], ["no place for 3"], ["'two' is no float"]
    assert told == [[], few, many, kind]


def test_parsers_of_other_modules_are_found(tmp_path: Path) -> None:
    """By a function, a class with its base, a module's attribute, a relative import; what is not called is not."""
    sources = {
        "run.py": """
            import tools.more as more
            from options.test import TestOptions
            from options import common

            def main():
                parser = make()
                common.add(parser)
                more.add(parser)
                TestOptions().parse()
            """,
        "options/__init__.py": "",
        "options/common.py": """
            from .deep import also

            def add(parser):
                parser.add_argument("--common")
                also(parser)

            def unused(parser):
                parser.add_argument("--unused")

            if __name__ == "__main__":
                parser.add_argument("--alone")
            """,
        "options/deep.py": "def also(parser):\n    parser.add_argument('--deep')\n",
        "options/base.py": "class Base:\n    def fill(self):\n        self.parser.add_argument('--base')\n",
        "options/test.py": """
            from options.base import Base

            class TestOptions(Base):
                def parse(self):
                    self.parser.add_argument("--test", required=True)
            """,
        "tools/more.py": "def add(parser):\n    group = parser.group()\n    group.add_argument('--more')\n",
    }
    given = "--common 1 --deep 1 --base 1 --test 1 --more 1"
    [command] = checked(tmp_path, sources, f"python run.py {given} --unused 1 --alone 1")
    assert command.unknown == ["--unused", "--alone"]
    [command] = checked(tmp_path, sources, "python run.py --common 1")
    assert command.missing == ["--test"]


def test_tyro_takes_dashes_and_underscores(tmp_path: Path) -> None:
    """And makes two flags of what is true or false."""
    sources = {
        "inference.py": "import tyro\nfrom src.config import Arguments\n\nargs = tyro.cli(Arguments)\n",
        "src/config.py": """
            from .base import Base

            @dataclass(repr=False)
            class Arguments(Base):
                source: Annotated[str, tyro.conf.arg(aliases=["-s"])] = "s0.jpg"
                out_dir: str
                flag_do_crop: bool = True
                det_thresh: float = 0.1
                region: Literal["exp", "all"] = "all"
            """,
        "src/base.py": "class Base:\n    seed: int = 0\n",
    }
    good = "-s a --out_dir b --no_flag_do_crop --det-thresh 0.5 --region exp --seed 3"
    [command] = checked(tmp_path, sources, f"python inference.py {good} --no-flag-do-crop --flag-do-crop")
    assert not command.refused, command
    [command] = checked(tmp_path, sources, "python inference.py --region lips --crop --det_thresh x --flag_do_crop 1")
    assert command.unknown == ["--crop"]
    assert command.missing == ["--out_dir"]
    assert command.problems == [
        "--region: 'lips' is none of exp, all",
        "--det_thresh: 'x' is no float",
        "no place for 1",
    ]


def test_launchers_hand_on(tmp_path: Path) -> None:
    """torch's own flags are checked as they are installed here, then the script's."""
    launch = "python -m torch.distributed.run --nnodes 1 --standalone --master_port {port}"
    first, second = checked(tmp_path, {"infer.py": PARSER}, f"{launch} infer.py --config a --steps 3")
    assert first.given == ["--nnodes", "--standalone", "--master_port"]
    assert not first.refused, first
    assert (second.script, second.given, second.unknown) == ("infer.py", ["--config", "--steps"], ["--steps"])
    first, second = checked(tmp_path, {"infer.py": PARSER}, f"{launch} --nope 1 infer.py --config a")
    assert first.unknown == ["--nope"]


def test_scripts_of_ours_hand_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To what they are told, what they name, or what they import."""
    scripts, clone = tmp_path / "scripts", tmp_path / "clone"
    clone.mkdir()
    scripts.mkdir()
    monkeypatch.setattr(flags, "SCRIPTS", scripts)
    (clone / "demo.py").write_text(PARSER, encoding="utf-8")
    (clone / "library.py").write_text("def main():\n    p.add_argument('--deep')\n", encoding="utf-8")
    (scripts / "told.py").write_text("runpy.run_path(sys.argv[2])", encoding="utf-8")
    (scripts / "names.py").write_text("runpy.run_path('demo.py')", encoding="utf-8")
    (scripts / "imports.py").write_text("m = importlib.import_module('library')\nm.main()", encoding="utf-8")
    (scripts / "takes.py").write_text("image = sys.argv[1]", encoding="utf-8")
    for words in ("told.py {seed} demo.py", "names.py {work}/a"):
        first, second = checked(clone, {}, f"python {{scripts}}/{words} --config a --sise 3")
        assert (first.refused, second.script, second.unknown) == (False, "demo.py", ["--sise"])
    [command] = checked(clone, {}, "python {scripts}/imports.py {work}/a --deep 1 --deeper 2")
    assert (command.script, command.unknown, command.problems) == ("{scripts}/imports.py", ["--deeper"], [])
    assert not checked(clone, {}, "python {scripts}/takes.py {image}")[0].refused
    assert checked(clone, {}, "python {scripts}/takes.py {image} --x")[0].unknown == ["--x"]


def test_where_a_step_runs(tmp_path: Path) -> None:
    """Its folder, ``-m`` of a package, and ``PYTHONPATH``."""
    sources = {
        "sub/scripts/vid.py": "from tool import add\nadd()\n",
        "sub/tool.py": "def add():\n    p.add_argument('--x')\n",
        "core/run.py": "from tool import add\nadd()\n",
    }
    [command] = checked(tmp_path, sources, "python -m scripts.vid --x 1", folder="sub")
    assert (command.script, command.refused) == ("-m scripts.vid", False)
    assert checked(tmp_path, sources, "python scripts/vid.py")[0].problems == ["no such script"]
    assert checked(tmp_path, sources, "python core/run.py --x 1")[0].unknown == ["--x"]
    [command] = checked(tmp_path, sources, "python {checkout}/core/run.py --x 1", path="{checkout}:{checkout}/sub")
    assert (command.script, command.refused) == ("core/run.py", False)


def test_the_table_tells_of_commits_and_ends_with_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Right, wrong and absent clones; a refused command."""
    clone = tmp_path / "clones" / "any-name"
    clone.mkdir(parents=True)
    (clone / "demo.py").write_text(PARSER, encoding="utf-8")
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -q -m a"):
        subprocess.run(["git", "-C", str(clone), *command.split()], check=True)
    head = subprocess.run(["git", "-C", str(clone), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)

    def recipe(name: str, commit: str, *arguments: str, url: str = "https://github.com/a/any-name.git") -> None:
        step = {"arguments": ["python", "demo.py", *arguments]}
        node = {"repository": {"url": url, "commit": commit}, "environment": {}, "steps": [step]}
        path = tmp_path / "conf" / "method" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"recipe": node}), encoding="utf-8")

    monkeypatch.setattr(flags, "CONFIGURATION", tmp_path / "conf")
    recipe("good", head.stdout.strip(), "--config", "a")
    recipe("bad", head.stdout.strip(), "--config", "a", "--sise", "3")
    recipe("old", "0" * 40, "--config", "a")
    recipe("absent", "0" * 40, "--config", "a", url="https://github.com/a/other")
    rows = {}
    for name, status in (("good", 0), ("bad", 1), ("old", 1), ("absent", 0)):
        monkeypatch.setattr("sys.argv", ["flags", str(clone.parent), name])
        with pytest.raises(SystemExit) as ended:
            flags.main()
        assert int(ended.value.code or 0) == status, name
        rows[name] = capsys.readouterr().out.splitlines()[2]
    assert rows["good"] == "| good | yes | `demo.py` | --config |  |  |  |"
    assert rows["bad"] == "| bad | yes | `demo.py` | --config<br>--sise | --sise |  |  |"
    assert rows["old"].startswith(f"| old | no: at {head.stdout[:12]} | `demo.py` |")
    assert rows["absent"].startswith("| absent | no clone |")
    with pytest.raises(SystemExit, match="nobody: no such recipe; there are absent, bad, good, old"):
        flags.table(clone.parent, ["nobody"])
