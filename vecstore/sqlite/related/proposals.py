"""Which entries may be among the nearest of an item, by products of matrices.

It only proposes: SQL compares, and decides. What it leaves out cannot be among the nearest,
whatever rounding does. Let a product of two normalised vectors be off the score that SQL computes
by `margin` at most. At least n scores are above the n-th largest product less one margin, so all
products of the n best scores are above it less two.

How far both can be off: a sum of n products of float32 in any order has an error of up to about
n * 2 ** -24 of the sum of its absolute terms (N. Higham, Accuracy and Stability of Numerical
Algorithms, 3.1), which is 1 at most for normalised vectors. There are such sums in the product
here, and in SQL in the product and in the lengths. All this holds only where nothing overflows, nor
is lost because it is too small: vectors that are so long, or so short, are candidates of all.

Vectors that are the same, byte for byte, have the same scores: of each such group only the first
few ids are candidates. Others that are within the margin all are, and where thousands of different
vectors nearly coincide, SQL compares each of them with each.

NumPy is no dependency, and takes a while to import: only what is called here needs it.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from .ranking import ITEM_BITS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Integers = npt.NDArray[np.int64]

_SHORTEST, _LONGEST = 1e-15, 1e18  # whose squares, and products, float32 can have
_ROUNDING = 2.0**-24  # of float32
_SUMS = 4  # that are rounded, as said above: three, and one more for what is small
_OTHER_ROUNDING = 1e-6  # of what SQL returns, and of normalising
_BLOCK_ITEMS = 512
_BLOCK_COLUMNS = 8192
_FIRST_COLUMNS = 2048  # which are sorted, to begin with
_MOST_PAIRS = 500_000  # that are kept, and compared, at once
_NONE = -math.inf  # the product of what is no candidate


class Portion(NamedTuple):
    """Some items, and pairs of each of them with each candidate, as ranking.py takes them."""

    items: list[int]
    pairs: list[int]


@cache
def is_installed() -> bool:
    """Return whether there is a NumPy that can be imported."""
    if find_spec("numpy") is None:
        return False
    try:
        import numpy  # noqa: F401
    except ImportError:  # it is there, and of another system or Python
        return False
    return True


class Vectors:
    """All vectors of one dimension, normalised, each once; and which items have them.

    Items are known by their positions in the order of ids, until they are returned by their rows.
    The columns are the different vectors. Those that only chunks of one document have, or one item
    alone, lie side by side, so that they can be left out for these.

    :param portions: the row, the document and the vector of each item, in the order of ids
    :param number: how many items there are
    """

    def __init__(
        self,
        dimensions: int,
        number: int,
        portions: Iterable[list[tuple[int, str | None, bytes]]],
    ) -> None:
        import numpy as np

        self._margin = _SUMS * (dimensions + 2) * _ROUNDING + _OTHER_ROUNDING
        self._rows = np.empty(number, np.int64)
        self._owners = np.empty(number, np.int64)  # a document, or an item that is no chunk
        column_of = np.empty(number, np.int64)
        matrix = np.empty((number, dimensions), np.float32)
        lengths = np.empty(number, np.float64)
        known: dict[bytes, int] = {}
        documents: dict[str, int] = {}
        done = 0
        for portion in portions:
            new, before = [], len(known)
            for row, document, vector in portion:
                digest = hashlib.blake2b(vector, digest_size=16).digest()
                if digest not in known:
                    new.append(vector)
                self._rows[done] = row
                is_chunk = document is not None
                self._owners[done] = (
                    number + documents.setdefault(document or "", len(documents))
                    if is_chunk
                    else done
                )
                column_of[done] = known.setdefault(digest, len(known))
                done += 1
            if new:
                exact = np.frombuffer(b"".join(new), "<f4").reshape(len(new), -1).astype(np.float64)
                lengths[before : len(known)] = found = np.sqrt((exact**2).sum(axis=1))
                matrix[before : len(known)] = exact / found[:, None]
        self._arrange(matrix[: len(known)], lengths[: len(known)], column_of)

    def _arrange(
        self, matrix: "Floats", lengths: "npt.NDArray[np.float64]", of: "Integers"
    ) -> None:
        """Sort the columns by owner, and leave out those that are too long or too short."""
        import numpy as np

        first = np.full(len(matrix), np.iinfo(np.int64).max)
        last = np.full(len(matrix), -1)
        np.minimum.at(first, of, self._owners)
        np.maximum.at(last, of, self._owners)
        owners = np.where(first == last, first, -1)
        is_regular = (lengths >= _SHORTEST) & (lengths <= _LONGEST)
        order = np.lexsort((owners, ~is_regular))
        columns = int(is_regular.sum())
        if (order != np.arange(len(order))).any():
            matrix = matrix[order]
        self._matrix = matrix[:columns]
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        self._column_of = places[of]
        # Of each column, its items in order, and where these begin and end in the list of all.
        self._members = np.argsort(self._column_of, kind="stable")
        self._ends = np.cumsum(np.bincount(self._column_of, minlength=len(order)))
        self._sizes = np.diff(self._ends, prepend=0)
        self._irregular = np.flatnonzero(self._column_of >= columns)
        # Which columns are left out for each item: those of its owner alone.
        self._own_begin = np.searchsorted(owners[order][:columns], self._owners, "left")
        self._own_end = np.searchsorted(owners[order][:columns], self._owners, "right")

    def irregular_rows(self, rows: Sequence[int]) -> list[int]:
        """Return those of the rows for which nothing can be proposed: SQL looks at all others."""
        import numpy as np

        found: list[int] = np.intersect1d(self._rows[self._irregular], rows).tolist()
        return found

    def propose(self, rows: Sequence[int], number: int) -> Iterator[Portion]:
        """Yield candidates for the nearest `number` of each item, but for irregular ones."""
        import numpy as np

        items = np.setdiff1d(np.searchsorted(self._rows, rows), self._irregular)
        at_once = _MOST_PAIRS // (4 * number + len(self._irregular) + 1)
        step = min(max(at_once, 1), _BLOCK_ITEMS)
        for start in range(0, len(items), step):
            yield from self._propose_for(items[start : start + step], number)

    def find_reached(
        self, changed: Sequence[int], rows: Sequence[int], last_scores: Sequence[float]
    ) -> list[int]:
        """Return the rows of those items that something changed may be near enough to.

        :param changed: the rows of what has changed
        :param rows: of the items, of each the last score that is listed
        """
        import numpy as np

        columns = len(self._matrix)
        positions = np.searchsorted(self._rows, rows)
        of_changed = np.unique(self._column_of[np.searchsorted(self._rows, changed)])
        if (of_changed >= columns).any():
            return list(rows)
        floors = np.full(len(self._sizes), np.inf)
        np.minimum.at(floors, self._column_of[positions], np.asarray(last_scores, np.float64))
        is_reached = np.zeros(len(self._sizes), bool)
        is_reached[columns:] = True
        for start in range(0, len(of_changed), _BLOCK_ITEMS):
            block = self._matrix[of_changed[start : start + _BLOCK_ITEMS]]
            for first in range(0, columns, _BLOCK_COLUMNS):
                part = slice(first, min(first + _BLOCK_COLUMNS, columns))
                nearest = (block @ self._matrix[part].T).max(axis=0)
                is_reached[part] |= nearest >= floors[part] - self._margin
        found: list[int] = self._rows[positions[is_reached[self._column_of[positions]]]].tolist()
        return found

    def _propose_for(self, items: "Integers", number: int) -> Iterator[Portion]:
        candidates = self._find_candidates(items, number)
        if candidates is None:  # too many for all at once
            half = len(items) // 2
            yield from self._propose_for(items[:half], number)
            yield from self._propose_for(items[half:], number)
            return
        yield Portion(self._rows[items].tolist(), self._pairs(items, *candidates, number))

    def _find_candidates(
        self, items: "Integers", number: int
    ) -> "tuple[Integers, Integers] | None":
        """Return places in `items`, and with each a column; None if there are too many."""
        import numpy as np

        block = self._matrix[self._column_of[items]]
        begins, ends = self._own_begin[items], self._own_end[items]
        floors = np.full(len(items), -2.0, np.float32)
        found = _Candidates()
        buffer = np.empty(len(items) * _BLOCK_COLUMNS, np.float32)
        for first, end in self._column_blocks(number):
            size = len(items) * (end - first)
            if size > len(buffer):
                buffer = np.empty(size, np.float32)
            products = buffer[:size].reshape(len(items), -1)
            np.matmul(block, self._matrix[first:end].T, out=products)
            for place in np.flatnonzero((begins < end) & (ends > first)):
                products[place, max(begins[place] - first, 0) : ends[place] - first] = _NONE
            if first == 0 and number <= end:
                nth = np.partition(products, end - number, axis=1)[:, end - number]
                floors = np.maximum(floors, nth - np.float32(2 * self._margin))
            near = np.flatnonzero(products >= floors[:, None])
            found.add(near // (end - first), near % (end - first) + first, products.ravel()[near])
            floors = np.maximum(
                floors, found.nth(len(items), number) - np.float32(2 * self._margin)
            )
            found.keep(floors)
            if len(items) > 1 and self._count_pairs(found.columns, number) > _MOST_PAIRS:
                return None
        return found.places, found.columns

    def _column_blocks(self, number: int) -> Iterator[tuple[int, int]]:
        columns = len(self._matrix)
        first, end = 0, max(_FIRST_COLUMNS, 4 * number)
        while first < columns:
            yield first, min(end, columns)
            first, end = end, end + _BLOCK_COLUMNS

    def _count_pairs(self, columns: "Integers", number: int) -> int:
        import numpy as np

        return int(np.minimum(self._sizes[columns], number).sum())

    def _pairs(
        self, items: "Integers", places: "Integers", columns: "Integers", number: int
    ) -> list[int]:
        """Return items with candidates: the first few that have the vector of a column."""
        import numpy as np

        is_single = self._sizes[columns] == 1
        singles = self._members[self._ends[columns[is_single]] - 1]
        parts = [_pack(self._rows[items[places[is_single]]], self._rows[singles])]
        several: list[tuple[int, int]] = []
        for place, column in zip(places[~is_single], columns[~is_single], strict=True):
            several += ((items[place], m) for m in self._first_of(column, items[place], number))
        if several:
            pairs = np.asarray(several)
            parts.append(_pack(self._rows[pairs[:, 0]], self._rows[pairs[:, 1]]))
        if len(self._irregular):
            every = np.repeat(items, len(self._irregular)), np.tile(self._irregular, len(items))
            is_other = self._owners[every[0]] != self._owners[every[1]]
            parts.append(_pack(*(self._rows[places[is_other]] for places in every)))
        found: list[int] = np.concatenate(parts).tolist()
        return found

    def _first_of(self, column: int, item: int, number: int) -> "Integers":
        """Return the first items that have a vector, without those that belong to an item."""
        begin, end, step = self._ends[column] - self._sizes[column], self._ends[column], 2 * number
        while True:  # seldom more than once
            members = self._members[begin : min(begin + step, end)]
            others: Integers = members[self._owners[members] != self._owners[item]]
            if len(others) >= number or begin + step >= end:
                return others[:number]
            step *= 4


class _Candidates:
    """What was found so far: places of items, columns, and their products."""

    def __init__(self) -> None:
        import numpy as np

        self.places: Integers = np.empty(0, np.int64)
        self.columns: Integers = np.empty(0, np.int64)
        self._products: Floats = np.empty(0, np.float32)

    def add(self, places: "Integers", columns: "Integers", products: "Floats") -> None:
        import numpy as np

        self.places = np.concatenate((self.places, places))
        self.columns = np.concatenate((self.columns, columns))
        self._products = np.concatenate((self._products, products))

    def nth(self, items: int, number: int) -> "Floats":
        """Return the n-th largest product of each item; one that is low for fewer."""
        import numpy as np

        order = np.lexsort((-self._products, self.places))
        counts = np.bincount(self.places, minlength=items)
        begins = np.cumsum(counts) - counts
        nth = np.full(items, -2.0, np.float32)
        has_enough = counts >= number
        nth[has_enough] = self._products[order[begins[has_enough] + number - 1]]
        return nth

    def keep(self, floors: "Floats") -> None:
        """Leave out what is below the floor of its item."""
        is_near = self._products >= floors[self.places]
        self.places, self.columns = self.places[is_near], self.columns[is_near]
        self._products = self._products[is_near]


def _pack(items: "Integers", candidates: "Integers") -> "Integers":
    return (items << ITEM_BITS) | candidates
