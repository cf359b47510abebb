"""Check the flags that recipes give against the parsers of upstreams, by reading their source; nothing of it is run.

Usage: ``python -m methods.external.flags CLONES [NAME ...]`` with a folder of clones and names of recipes, by default
all. What is read: ``argparse``, wherever the calls from the script lead within the clone, and ``tyro.cli`` of a
dataclass. Prints a table in Markdown; the exit status is 1 where a parser would refuse a command, or a clone is at
another commit.
"""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CONFIGURATION = HERE.parents[1] / "conf"
GROUPS = ("method", "animator", "landmarks")
SCRIPTS = HERE / "scripts"
REST = "..."
"""What ``argparse.REMAINDER`` is: the arguments of a launcher from its own to the end are those of another script."""


@dataclass(frozen=True)
class Argument:
    """One of a parser's.

    Attributes:
        names: with their dashes; what is known by its place has none.
        values: how many it takes, as ``nargs`` says; ``any`` where a class of the upstream's own decides.
        required: whether it must be given.
        choices: that are accepted, where the source says which.
        kind: ``int`` or ``float``, where it must be one.
    """

    names: tuple[str, ...]
    values: int | str = 1
    required: bool = False
    choices: tuple[str, ...] | None = None
    kind: str | None = None

    @property
    def placed(self) -> bool:
        """Whether it is known by its place."""
        return not self.names[0].startswith("-")


@dataclass
class Command:
    """What is given to one script, and what of that its parser would refuse."""

    script: str
    given: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether it would."""
        return bool(self.unknown or self.missing or self.problems)


class Source:
    """The parser of a script, as its source says.

    Args:
        script: a file.
        roots: folders from which it imports.
    """

    def __init__(self, script: Path, roots: tuple[Path, ...]) -> None:
        self.roots = roots
        self._found: dict[Argument, None] = {}
        self._seen: set[tuple[Path, str]] = set()
        self._follow(script, _tree(script))
        self.arguments = list(self._found)

    def _follow(self, module: Path, body: ast.AST) -> None:
        """Take the arguments that this code adds, then those of what it calls."""
        for call in (node for node in ast.walk(body) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name.endswith(".add_argument"):
                self._add(call)
            elif name == "tyro.cli" and call.args and (found := self._find(module, ast.unparse(call.args[0]))):
                self._add_fields(*found)
            elif found := self._find(module, name):
                self._visit(*found)

    def _visit(self, module: Path, definition: ast.stmt) -> None:
        key = (module, ast.dump(definition))
        if key in self._seen:
            return
        self._seen.add(key)
        for base in definition.bases if isinstance(definition, ast.ClassDef) else ():
            if found := self._find(module, ast.unparse(base)):
                self._visit(*found)
        self._follow(module, definition)

    def _find(self, module: Path, name: str) -> tuple[Path, ast.stmt] | None:
        """Where a function or class is defined that a module calls so."""
        definitions, imports = _names(module)
        if name in definitions:
            return module, definitions[name]
        first, _, rest = name.partition(".")
        for known, package, imported, level in imports:
            if not imported and name.startswith(f"{known}."):  # import a.b
                if source := self._module(module, package, 0):
                    return self._find(source, name.removeprefix(f"{known}."))
            elif imported and known == first:  # from a import b, which is a module where something of it is called
                inner = f"{package}.{imported}".strip(".") if rest else package
                source = self._module(module, inner, level)
                if source and source != module:
                    return self._find(source, rest or imported)
        return None

    def _module(self, importer: Path, name: str, level: int) -> Path | None:
        roots = (importer.parents[level - 1],) if level else self.roots
        return next((found for root in roots if (found := _module_file(root, name))), None)

    def _add(self, call: ast.Call) -> None:
        names = tuple(_literal(name) for name in call.args)
        options = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        if not names or not all(isinstance(name, str) for name in names):
            return  # made as it runs
        action = ast.unparse(options["action"]) if "action" in options else "'store'"
        nargs = options.get("nargs")
        values: Any = 1 if nargs is None else _literal(nargs) or ast.unparse(nargs)
        if action.endswith("BooleanOptionalAction"):
            names, values = (*names, *(f"--no-{name[2:]}" for name in names if name.startswith("--"))), 0
        elif action.strip("'") not in ("store", "append", "extend"):
            values = 0 if action.startswith("'") else "any"
        values = REST if str(values).endswith("REMAINDER") else values
        choices, required = _literal(options.get("choices")), _literal(options.get("required"))
        argument = Argument(
            names=names,
            values=values,
            required=bool(required) if names[0].startswith("-") else values not in ("?", "*", REST),
            choices=tuple(map(str, choices)) if isinstance(choices, list | tuple) else None,
            kind=_kind(options.get("type")),
        )
        self._found[argument] = None

    def _add_fields(self, module: Path, definition: ast.stmt) -> None:
        """What tyro makes of a dataclass and what it inherits from; dashes and underscores are one to it."""
        if not isinstance(definition, ast.ClassDef):
            return
        for base in definition.bases:
            if found := self._find(module, ast.unparse(base)):
                self._add_fields(*found)
        for node in definition.body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            name, annotation = node.target.id, node.annotation
            aliases: list[str] = []
            for keyword in (node for node in ast.walk(annotation) if isinstance(node, ast.keyword)):
                aliases += _literal(keyword.value) or [] if keyword.arg == "aliases" else []
            kind = ast.unparse(annotation).removeprefix("Annotated[").split(",")[0]
            flag = kind == "bool" and node.value is not None
            names = [f"--{name}", f"--{name.replace('_', '-')}"]
            if flag:
                names += [f"--no-{name.replace('_', '-')}", f"--no_{name}", f"--no-{name}"]
            literal = re.search(r"Literal\[(.*?)\]", ast.unparse(annotation))
            argument = Argument(
                names=(*names, *aliases),
                values=0 if flag else 1,
                required=node.value is None,
                choices=tuple(map(str, ast.literal_eval(f"[{literal.group(1)}]"))) if literal else None,
                kind=kind if kind in ("int", "float") else None,
            )
            self._found[argument] = None

    def check(self, script: str, given: list[str]) -> Command:
        """Read arguments as the parser would."""
        options = {name: argument for argument in self.arguments for name in argument.names if not argument.placed}
        places = [argument for argument in self.arguments if argument.placed]
        command, used, placed, i = Command(script), set(), [], 0
        while i < len(given):
            name, equals, value = given[i].partition("=")
            if not _is_option(given[i]):
                placed.append(given[i])
                i += 1
                before = [place for place in places if place.values != REST]
                if len(placed) >= len(before) and len(before) < len(places):
                    command.rest = [*placed[-1:], *given[i:]]
                    break
                continue
            command.given.append(name)
            i += 1
            behind = [value] if equals else []
            while not equals and i + len(behind) < len(given) and not _is_option(given[i + len(behind)]):
                behind.append(given[i + len(behind)])
            if name not in options:
                command.unknown.append(name)
                taken = behind[:1] if places else behind
            else:
                used.add(options[name])
                taken = self._take(name, options[name], behind, command)
            i += 0 if equals else len(taken)
        wanted = [argument for argument in self.arguments if argument.required and not argument.placed]
        command.missing += [argument.names[0] for argument in wanted if argument not in used]
        self._place(placed, places, command)
        return command

    def _take(self, name: str, argument: Argument, behind: list[str], command: Command) -> list[str]:
        """How much of what follows an option belongs to it."""
        several: dict[int | str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None), "any": (0, 1)}
        least, most = several[argument.values] if isinstance(argument.values, str) else (argument.values,) * 2
        taken = behind[:most]
        if len(taken) < least:
            command.problems.append(f"{name}: takes {least}, has {len(taken)}")
        command.problems += [f"{name}: {problem}" for value in taken if (problem := _refusal(argument, value))]
        return taken

    def _place(self, placed: list[str], places: list[Argument], command: Command) -> None:
        """Whether what is known by its place is as many as there are places."""
        fixed = sum(place.values if isinstance(place.values, int) else place.required for place in places)
        if len(placed) < fixed:
            command.problems.append(f"{len(placed)} of {fixed} arguments without a name")
        if len(placed) > fixed and all(isinstance(place.values, int) for place in places):
            command.problems.append(f"no place for {', '.join(placed[fixed:])}")
        if all(place.values == 1 for place in places):
            command.problems += [
                problem for place, value in zip(places, placed, strict=False) if (problem := _refusal(place, value))
            ]


def commands(arguments: list[str], clone: Path, folder: str = ".", path: str = "") -> Iterator[Command]:
    """The scripts that a command runs, one starting the next, each with what it is given.

    Args:
        arguments: of a step.
        clone: the repository.
        folder: below it, where the step runs.
        path: ``PYTHONPATH`` of the recipe, its places separated by colons; empty for ``folder``.
    """
    words = [word.replace("{checkout}", str(clone)).replace("{scripts}", str(SCRIPTS)) for word in arguments[1:]]
    cwd = clone / folder
    roots = (cwd, *(Path(place.replace("{checkout}", str(clone))) for place in path.split(":") if place))
    while words:
        shown, words = (words[:2], words[2:]) if words[0] == "-m" else (words[:1], words[1:])
        script = _script(shown, cwd, roots)
        name = " ".join(shown).replace(str(SCRIPTS), "{scripts}").replace(f"{clone}/", "")
        if script is None:
            yield Command(name, problems=["no such script"])
            return
        source = Source(script, (script.parent, *roots))
        rest: list[str] = []
        if script.parent == SCRIPTS:
            words, rest = _handed_on(script, source, words, cwd)
        if source.arguments:
            command = source.check(name, words)
        else:
            command = Command(name, [word for word in words if _is_option(word)])
            command.unknown = command.given
        yield command
        words = rest or command.rest


def _handed_on(script: Path, source: Source, words: list[str], cwd: Path) -> tuple[list[str], list[str]]:
    """Which arguments a script of ours has to know, and what it starts with which others, if it starts a script."""
    for i, word in enumerate(words):
        if word == "-m" or (word.endswith(".py") and (cwd / word).is_file()):
            return [word for word in words[:i] if _is_option(word)], words[i:]
    if not any(argument.placed for argument in source.arguments):  # it takes them off before others look
        words = words[next((i for i, word in enumerate(words) if _is_option(word)), len(words)) :]
    for node in ast.walk(_tree(script)):
        named = node.value if isinstance(node, ast.Constant) else None
        if not source.arguments and isinstance(named, str) and named.endswith(".py") and (cwd / named).is_file():
            return [], [named, *words]
    return words, []


def _script(words: list[str], cwd: Path, roots: tuple[Path, ...]) -> Path | None:
    if words[0] != "-m":
        return cwd / words[0] if (cwd / words[0]).is_file() else None
    spec = importlib.util.find_spec(words[1].partition(".")[0])  # a launcher, such as torch.distributed.run
    installed = (Path(spec.origin).parents[1],) if spec and spec.origin else ()
    for root in (*roots, *installed):
        found = _module_file(root, words[1])
        if found and found.name == "__init__.py":
            found = found.with_name("__main__.py")
        if found and found.is_file():
            return found
    return None


def _module_file(root: Path, name: str) -> Path | None:
    path = root.joinpath(*name.split(".")) if name else root
    return next(
        (file for file in (path.with_suffix(".py"), path / "__init__.py") if name and file.is_file()), None
    ) or (path / "__init__.py" if (path / "__init__.py").is_file() else None)


@cache
def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except SyntaxError:  # Python 2, in corners of old repositories
        return ast.Module([], [])


@cache
def _names(path: Path) -> tuple[dict[str, ast.stmt], list[tuple[str, str, str, int]]]:
    """What a module defines, and what it imports: as what, from where, which part, how many levels up."""
    definitions: dict[str, ast.stmt] = {}
    imports = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions.setdefault(node.name, node)
        elif isinstance(node, ast.ImportFrom):
            imports += [(name.asname or name.name, node.module or "", name.name, node.level) for name in node.names]
        elif isinstance(node, ast.Import):
            imports += [(name.asname or name.name, name.name, "", 0) for name in node.names]
        elif isinstance(node, ast.Assign):  # our scripts import upstreams only as they run
            for name, value in re.findall(r"(\w+) = importlib\.import_module\('([\w.]+)'\)", ast.unparse(node)):
                imports.append((name, value, "", 0))
    return definitions, imports


def _literal(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except (TypeError, ValueError):
        return None


def _kind(node: ast.expr | None) -> str | None:
    return node.id if isinstance(node, ast.Name) and node.id in ("int", "float") else None


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not re.fullmatch(r"-\d+|-\d*\.\d+", word)


def _refusal(argument: Argument, value: str) -> str | None:
    """Why it is not accepted; of what is only known as it runs, nothing is said."""
    if "{" in value:
        return None
    if argument.choices is not None and value not in argument.choices:
        return f"'{value}' is none of {', '.join(argument.choices)}"
    try:
        {"int": int, "float": float}.get(argument.kind or "", str)(value)
    except ValueError:
        return f"'{value}' is no {argument.kind}"
    return None


def recipes() -> dict[str, dict[str, Any]]:
    """All of ``conf/``, as they are written: methods by name, others as ``animator=NAME``."""
    found = {}
    for file in sorted(file for group in GROUPS for file in (CONFIGURATION / group).glob("*.yaml")):
        group = file.parent.name
        node = yaml.safe_load(file.read_text(encoding="utf-8"))
        for holder in (node, node.get("source")):
            if isinstance(holder, dict) and isinstance(holder.get("recipe"), dict):
                found[file.stem if group == "method" else f"{group}={file.stem}"] = holder["recipe"]
    return found


def clone_of(name: str, recipe: dict[str, Any], clones: Path) -> tuple[Path | None, str]:
    """The clone that a recipe means, by its commit if possible, and what to say of it."""
    repository = recipe["repository"]
    heads = {folder: _head(folder) for folder in sorted(clones.iterdir()) if (folder / ".git").exists()}
    for folder, commit in heads.items():
        if commit == repository["commit"]:
            return folder, "yes"
    named = (name, Path(repository["url"]).name.removesuffix(".git"))
    for folder, commit in heads.items():
        if folder.name in named:
            return folder, f"no: at {commit[:12]}"
    return None, "no clone"


def _head(folder: Path) -> str:
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def table(clones: Path, names: list[str]) -> tuple[str, bool]:
    """What was found, in Markdown, and whether all of it is well."""
    rows: list[tuple[str, ...]] = []
    well = True
    found = recipes()
    for name in names or sorted(found):
        if name not in found:
            raise SystemExit(f"{name}: no such recipe; there are {', '.join(sorted(found))}")
        recipe = found[name]
        clone, commit = clone_of(name.rpartition("=")[2], recipe, clones)
        well &= not commit.startswith("no:")
        path = recipe["environment"].get("variables", {}).get("PYTHONPATH", "")
        steps = [step for step in recipe.get("steps", ()) if step["arguments"][0] == "python"]
        if clone is None or not steps:
            rows.append((name, commit, "" if steps else "none: a worker", "", "", "", ""))
            continue
        for step in steps:
            given = [*step["arguments"], *step.get("cpu_arguments", ())]
            for command in commands(given, clone, step.get("folder", "."), path):
                well &= not command.refused
                columns = (command.given, command.unknown, command.missing, command.problems)
                rows.append((name, commit, f"`{command.script}`", *("<br>".join(column) for column in columns)))
    head = ("recipe", "commit", "script", "flags", "unknown", "required, not given", "problems")
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines), well


def main() -> None:
    """See above."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit("usage: python -m methods.external.flags CLONES [NAME ...]")
    text, well = table(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.write(f"{text}\n")
    raise SystemExit(not well)


if __name__ == "__main__":
    main()
