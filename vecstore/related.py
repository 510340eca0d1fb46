"""What becomes of the related items of a collection, when they are computed."""

from collections.abc import Callable
from dataclasses import dataclass

# Is called with how many items are computed so far, and how many are to be.
RelatedProgress = Callable[[int, int], object]


@dataclass(frozen=True)
class RelatedReport:
    """What `Collection.related_table()` did.

    Attributes:
        items: the entries of the collection
        computed: of these, those whose nearest were computed now
        unchanged: those whose rows stayed as they were, and those that have none
        rows: that were written
    """

    items: int = 0
    computed: int = 0
    unchanged: int = 0
    rows: int = 0
