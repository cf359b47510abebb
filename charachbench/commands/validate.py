"""`charachbench validate`: measure how each metric responds to graded corruptions of true videos."""

from collections import Counter
from pathlib import Path

from charachbench import output
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.store import Store, StoredReferences, atomic_write
from charachbench.validation import bias, drawing, report, responses
from charachbench.validation.corruptions import CORRUPTIONS

LEAST = {"severities": 2, "pairs": 1, "repeats": 1}


def execute(settings: Config) -> list[str]:
    """Corrupt, score, write tables and pictures; returns the metrics that failed."""
    chosen = settings.validate
    for name, least in LEAST.items():
        if (value := getattr(chosen, name)) < least:
            raise UserError(f"validate.{name}={value}: accepted are whole numbers from {least}")
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    pairs = responses.choose(benchmark, chosen.pairs)
    metrics, absent = responses.load(build_metrics(settings), settings.device)
    extracted, failures = responses.extract(
        settings, benchmark, pairs, metrics, store.references, StoredReferences(store.cache / "validation")
    )
    scored = [one for one in extracted if one.arrays[responses.TRUTH]]
    for one in extracted:
        if one not in scored:
            absent[one.named.name] = Counter(one.reasons[responses.TRUTH].values()).most_common(1)[0][0]
    families = list(dict.fromkeys(one.named.metric.family for one in scored))
    scored.sort(key=lambda one: families.index(one.named.metric.family))
    validation = report.Validation(
        benchmark=benchmark.name,
        pairs=len(pairs),
        severities=chosen.severities,
        responses=tuple(responses.respond(one, name, chosen.severities) for one in scored for name in CORRUPTIONS),
        biases=tuple(
            found for one in scored if (found := bias.measure(one, chosen.repeats, settings.seed)) is not None
        ),
        absent=absent,
    )
    show(validation, store.benchmark_folder(benchmark) / "validation")
    return failures


def show(validation: report.Validation, folder: Path) -> None:
    """Write tables and pictures, and print the main table."""
    folder.mkdir(exist_ok=True)
    for name, text in (
        ("responses.csv", report.comma_separated(validation)),
        ("validation.md", report.markdown(validation)),
    ):
        atomic_write(folder / name, lambda path, text=text: path.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    pictures = {}
    if validation.responses:
        rows = (
            {"metric": one.named.name, "corruption": one.corruption, "claimed": one.claimed}
            | {"correlation": one.correlation, "values": one.values}
            for one in validation.responses
        )
        output.show(
            "validation", rows, report.terminal(validation),
            benchmark=validation.benchmark, pairs=validation.pairs, absent=validation.absent,
        )  # fmt: skip
        pictures["responses.png"] = drawing.heat_map(validation)
    if validation.biases:
        pictures["bias.png"] = drawing.lines(validation.biases)
    for name, figure in pictures.items():
        atomic_write(folder / name, lambda path, figure=figure: drawing.save(figure, path))  # type: ignore[misc]
    for name in ("validation.md", "responses.csv", *pictures):
        output.wrote(folder / name)
