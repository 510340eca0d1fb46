"""Measures vecstore beside other ways to store and search embeddings, on this machine.

Without options: all systems with all data sets, which takes hours. A system that is not installed
or cannot run here is left out, with a line that says why. Results are added to a SQLite file as
they come; at the end, the newest of each system are in report.md, with pictures.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import click

from . import plots, report, results
from .datasets import DATA, NoDataError, file_rows, get_rows
from .retrieval import command as retrieval
from .rows import Rows
from .runner import EDITED, SHARES, Runner
from .systems import SYSTEMS

FULL = {
    "words": [100_000],
    "sentences": [100_000],
    "clustered-1536": [100_000],
    "clustered-384": [1_000, 10_000, 100_000, 1_000_000],
}
QUICK = {"words": [20_000], "clustered-384": [10_000]}
QUICK_SYSTEMS = [
    "numpy",
    "vecstore",
    "vecstore-exact",
    "vecstore-beside",
    "vecstore-graph",
    "vec0-tuned",
    "zvec-int8",
    "qdrant-edge-int8",
    "sqlite-vector",
]
QUICK_SHARES = [0.01]


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a function that reads names with commas between them, and puts them in order."""

    def read(text: str) -> list[str]:
        unknown = set(text.split(",")).difference(known)
        if unknown:
            raise click.BadParameter(f"{', '.join(unknown)} is none of {', '.join(known)}")
        return [name for name in known if name in text.split(",")]

    return read


def counts(text: str) -> list[int]:
    """Read whole numbers with commas between them."""
    try:
        return sorted(map(int, text.split(",")))
    except ValueError:
        raise click.BadParameter(f"{text} is not one number, or several with commas") from None


def shares(text: str) -> list[float]:
    """Read shares of 1 with commas between them; nothing is none."""
    try:
        found = sorted({float(word) for word in text.split(",") if word}, reverse=True)
    except ValueError:
        raise click.BadParameter(f"{text} is not one number, or several with commas") from None
    if not all(0 < share < 1 for share in found):
        raise click.BadParameter(f"{text} has a number that is not between 0 and 1")
    return found


def cache_folder() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches, "vecstore-benchmark")


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(help=__doc__, context_settings={"show_default": True, "max_content_width": 100})
@click.option("--quick", is_flag=True, help="Few systems and rows: done within three minutes.")
@click.option(
    "--retrieval",
    "only_retrieval",
    is_flag=True,
    help="Measure how good answers are instead: nDCG and recall of questions whose answers are "
    "known, for the modes of Collection.search(). --data chooses the models, of words and "
    "sentences; --rows how many entries a set has at most.",
)
@click.option(
    "--systems",
    type=names(SYSTEMS),
    metavar="NAME,...",
    help=f"Which to measure, or to report of with --report, of: {', '.join(SYSTEMS)}.",
)
@click.option(
    "--data",
    type=names(DATA),
    metavar="NAME,...",
    help=f"Which data sets to use, of: {', '.join(DATA)}.",
)
@click.option(
    "--rows", type=counts, metavar="NUMBER,...", help="How many rows to store, for each data set."
)
@click.option(
    "--filters",
    type=shares,
    metavar="SHARE,...",
    help="What share of the rows conditions on metadata keep, each time random rows, those of the "
    f"query's own cluster, and those of another.  [default: {','.join(map(str, SHARES))}, or "
    f"{','.join(map(str, QUICK_SHARES))} with --quick]",
)
@click.option(
    "--edited",
    type=click.FloatRange(0, 0.5),
    default=EDITED,
    metavar="SHARE",
    help="What share of the rows is edited before all are searched again: a third is replaced, a "
    "third deleted, a third added; for vecstore with SQL. 0: none.",
)
@click.option("--vectors", type=FILE, help="A .npy file of vectors of your own, as a data set.")
@click.option(
    "--queries",
    type=FILE,
    help="A .npy file of vectors to search for, beside --vectors; without it, the last 200 rows of "
    "--vectors are not stored, but searched for.",
)
@click.option(
    "--sentence-model",
    help="A SentenceTransformer, by its name or folder, in place of all-MiniLM-L6-v2 for the data "
    "set sentences.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    help="How long to put one question to one system: after that, it gets no more of the 200 "
    "queries.  [default: 10, or 2 with --quick]",
)
@click.option(
    "--folder",
    type=FOLDER,
    default=cache_folder,
    show_default=False,
    help="Where data sets are kept, so that they are made only once, and where systems store rows "
    "while they are measured.  [default: ~/.cache/vecstore-benchmark]",
)
@click.option(
    "--results",
    "output",
    type=FOLDER,
    default=Path("benchmark-results"),
    help="Where results.db, report.md and the pictures go.",
)
@click.option("--report", "only_report", is_flag=True, help="Measure nothing: only report again.")
def main(
    quick: bool,
    only_retrieval: bool,
    systems: list[str] | None,
    data: list[str] | None,
    rows: list[int] | None,
    filters: list[float] | None,
    edited: float,
    vectors: Path | None,
    queries: Path | None,
    sentence_model: str | None,
    seconds: float | None,
    folder: Path,
    output: Path,
    only_report: bool,
) -> None:
    """Measure, then write the report."""
    db = results.open_results(output / "results.db")
    if only_retrieval:
        retrieval.run(db, data or ["words"], quick, rows, sentence_model, folder, output)
        return
    if not only_report:
        runner = Runner(
            db=db,
            run=results.add_run(db),
            folder=folder,
            seconds=(2 if quick else 10) if seconds is None else seconds,
            say=click.echo,
            shares=(QUICK_SHARES if quick else SHARES) if filters is None else filters,
            edited=edited,
        )
        measured = systems or (QUICK_SYSTEMS if quick else list(SYSTEMS))
        if vectors:
            own = partial(file_rows, vectors, queries, folder=folder)
            measure(runner, vectors.stem, own, rows or [None], measured)
        for name in data or ([] if vectors else QUICK if quick else FULL):
            make = partial(get_rows, name, folder=folder, sentence_model=sentence_model)
            sizes = rows or (QUICK if quick else FULL).get(name, [10_000])
            measure(runner, name, make, sizes, measured)
    shown = systems if only_report and systems else SYSTEMS
    pictures = plots.draw(db, output, shown)
    (output / "report.md").write_text(report.markdown(db, pictures, shown), "utf-8")
    click.echo(f"\nThe report is in {output / 'report.md'}")


def measure(
    runner: Runner,
    data: str,
    make: Callable[..., Rows],
    sizes: Sequence[int | None],
    systems: list[str],
) -> None:
    """Measure systems with one data set of several sizes, or say why it is left out."""
    done = set()
    for count in sizes:
        try:
            rows = make(count=count, say=runner.say)
        except NoDataError as error:
            click.echo(f"\n{data} is left out: {error}")
            return
        if rows.count not in done:  # there may be less than was asked for
            runner.measure(data, rows, systems)
        done.add(rows.count)


if __name__ == "__main__":
    main()
