"""The report of a run: Markdown tables."""

from collections.abc import Sequence
from itertools import groupby

from ..report import significant
from ..report import table as markdown_table
from .run import Result

NOTES = """\
nDCG@10 and recall@10 of questions whose answers are known, and the median time of a question, in
which the model has no part: each vector was made before. In brackets: the difference to the better
of similar and keywords. The sets are described in docs/performance.md.
"""


def markdown(results: Sequence[Result]) -> str:
    parts = ["# Retrieval", NOTES.strip()]
    for (data, entries, model), of_set in groupby(results, lambda result: result[:3]):
        parts.append(f"## {data}, {entries:,} entries, {model}")
        by_kind = groupby(of_set, lambda result: (result.kind, result.questions))
        for (kind, questions), found in by_kind:
            parts.append(f"{questions} questions{f': {kind}' if kind else ''}")
            parts.append(table(list(found)))
    return "\n\n".join(parts) + "\n"


def table(found: Sequence[Result]) -> str:
    """Return a table with a row for each mode."""
    by_mode = {result.mode: result for result in found}
    rows = {
        mode: [
            f"{result.ndcg:.3f}{ahead(by_mode, mode, 'ndcg')}",
            f"{result.recall:.3f}{ahead(by_mode, mode, 'recall')}",
            significant(result.p50_ms),
        ]
        for mode, result in by_mode.items()
    }
    return markdown_table(["nDCG@10", "recall@10", "p50, ms"], rows)


def ahead(by_mode: dict[str, Result], mode: str, measure: str) -> str:
    """Return by how much the hybrid mode is better than the better of the two that it joins."""
    if mode != "hybrid":
        return ""
    better = max(getattr(by_mode[other], measure) for other in ("similar", "keywords"))
    return f" ({getattr(by_mode[mode], measure) - better:+.3f})"
