"""What an answer is worth: nDCG and recall of the ids that were found."""

import math
from collections.abc import Collection, Sequence

CUTOFF = 10  # results of which an answer is judged


def ndcg(found: Sequence[str], right: Collection[str], cutoff: int = CUTOFF) -> float:
    """Return the normalized discounted cumulative gain, from 0 to 1.

    The entry at rank r counts 1 / log2(r + 1) where it is right, and the sum is divided by that of
    the best order there is: with one right entry, it is 1 at the first rank, and 0.29 at the tenth.

    :param found: ids, best first; an id that comes again counts once
    :param right: all ids that are right; at least one
    """
    kept = list(dict.fromkeys(found))[:cutoff]
    gain = sum(discount(rank) for rank, id in enumerate(kept, 1) if id in right)
    return gain / sum(discount(rank) for rank in range(1, min(len(right), cutoff) + 1))


def discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def recall(found: Sequence[str], right: Collection[str], cutoff: int = CUTOFF) -> float:
    """Return the share of the right entries that are among the first, from 0 to 1.

    Where more are right than an answer can have, a full answer of right ones is 1.
    """
    kept = set(found[:cutoff])
    return len(kept.intersection(right)) / min(len(right), cutoff)
