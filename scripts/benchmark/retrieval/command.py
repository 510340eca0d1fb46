"""scripts/bench --retrieval: what main() does with that option."""

from collections.abc import Sequence
from pathlib import Path

import click
from sqlite_utils import Database

from .. import datasets, results
from . import report
from .run import ENTRIES, QUESTIONS, QUICK_ENTRIES, QUICK_QUESTIONS, Result, measure_all

TOKENS = 256  # of a text, that a SentenceTransformer reads: what all-MiniLM-L6-v2 was made for


def run(
    db: Database,
    models: Sequence[str],
    quick: bool,
    rows: Sequence[int] | None,
    sentence_model: str | None,
    folder: Path,
    output: Path,
) -> None:
    """Measure, record and print how good answers are, and write retrieval.md."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = rows or [QUICK_ENTRIES if quick else ENTRIES]
    number = results.add_run(db)
    found: list[Result] = []
    for name in models:
        try:
            embed = embedding(name, sentence_model)
        except datasets.NoDataError as error:
            click.echo(f"\n{name} is left out: {error}")
            continue
        label = Path(sentence_model).name if name == "sentences" and sentence_model else name
        for entries in sizes:
            questions = QUICK_QUESTIONS if quick else QUESTIONS
            for result in measure_all(label, embed, entries, questions, folder, click.echo):
                if result.kind is None:
                    click.echo(summary(result))
                results.table(db, "retrieval").insert({"run": number, **result._asdict()})
                found.append(result)
    text = report.markdown(found)
    (output / "retrieval.md").write_text(text, "utf-8")
    click.echo(f"\nThe report is in {output / 'retrieval.md'}")


def embedding(name: str, sentence_model: str | None) -> datasets.Embed:
    """Return how texts are embedded for a data set of the other benchmark.

    :raises NoDataError: it cannot be done here, or the data set is of no texts
    """
    if name == "words":
        return datasets.words()
    if name == "sentences":
        return datasets.sentences(sentence_model or datasets.packaged_model(), TOKENS)
    raise datasets.NoDataError("--retrieval needs a model of texts: words or sentences")


def summary(result: Result) -> str:
    return (
        f"  {result.data:8} {result.entries:>7,} entries  {result.mode:11}"
        f" nDCG@10 {result.ndcg:.3f}  recall@10 {result.recall:.3f}  {result.p50_ms:6.2f} ms"
    )
