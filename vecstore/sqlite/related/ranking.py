"""Compares items, and ranks what is nearest to each, in SQL: no score comes from elsewhere.

Equal scores are ranked by id, as in a search: the rows of a snapshot are in that order.
"""

import json
from collections.abc import Sequence

from .snapshot import Snapshot

# An item and a candidate are one integer of 64 bits, as JSON of pairs takes longer.
ITEM_BITS = 32


def rank_candidates(snapshot: Snapshot, pairs: Sequence[int], number: int) -> None:
    """Rank candidates, and add to `ranked` the nearest of each item.

    :param pairs: the row of an item, times 2 to the power of ITEM_BITS, and that of a candidate;
      all candidates of an item at once
    """
    snapshot.statement(
        f"""
        insert into {snapshot.ranked} (item, rank, candidate, score)
        select item, rank, candidate, score
        from (
          select
            item,
            candidate,
            score,
            row_number() over (partition by item order by score desc, candidate) as rank
          from (
            select
              item.row as item,
              candidate.row as candidate,
              1 - vec_distance_cosine(candidate.vector, item.vector) as score
            from json_each(?) as pair
            cross join {snapshot.entries} as item on item.row = pair.value >> {ITEM_BITS}
            cross join {snapshot.entries} as candidate
              on candidate.row = pair.value & {2**ITEM_BITS - 1}
          )
          where score is not null
        )
        where rank <= ?
        """,
        [json.dumps(pairs), number],
    )


def rank_all(snapshot: Snapshot, row: int, number: int) -> None:
    """Compare one item with all others, and add the nearest to `ranked`."""
    snapshot.statement(
        f"""
        insert into {snapshot.ranked} (item, rank, candidate, score)
        select ?1, row_number() over (order by score desc, candidate), candidate, score
        from (
          select
            candidate.row as candidate,
            1 - vec_distance_cosine(candidate.vector, item.vector) as score
          from {snapshot.entries} as item
          cross join {snapshot.entries} as candidate
          where item.row = ?1
            and candidate.row <> ?1
            and length(candidate.vector) = length(item.vector)
            and (item.document is null or candidate.document is not item.document)
        )
        where score is not null
        order by score desc, candidate
        limit ?2
        """,
        [row, number],
    )


def mark_reached(snapshot: Snapshot, row: int) -> None:
    """Mark as due each item that an item is near enough to, to be listed for it.

    Those of which fewer are listed than there might be are reached by any.
    """
    snapshot.statement(
        f"""
        update {snapshot.items}
        set is_due = 1
        where row in (
          select items.row
          from {snapshot.entries} as changed
          cross join {snapshot.items} as items
          cross join {snapshot.entries} as other on other.row = items.row
          where changed.row = ?
            and not items.is_due
            and items.dimensions = length(changed.vector) / 4
            and (
              items.last_score is null
              or 1 - vec_distance_cosine(changed.vector, other.vector) >= items.last_score
            )
        )
        """,
        [row],
    )


def mark(snapshot: Snapshot, rows: Sequence[int]) -> None:
    """Mark items as due."""
    snapshot.statement(
        f"update {snapshot.items} set is_due = 1 where row in (select value from json_each(?))",
        [json.dumps(rows)],
    )
