"""Whether the tables of related items are whole, and of collections that there are.

Whether they list what is nearest, nobody can tell without comparing all: `related_table()` does.
"""

from ...checking.report import CheckReport
from ...values import describe_count
from .. import related_tables
from ..connection.database import Database

_GONE = "collection_id not in (select id from collections)"


def check_parts(db: Database, report: CheckReport) -> None:
    """Add a problem if a table or trigger is missing: what writes to `collections` may fail."""
    if related_tables.is_broken(db):
        report.problem(
            "schema",
            "Tables or triggers of related items are missing, and writes to `collections` may fail",
            "a Collection that is opened makes what is missing again",
        )


def note_lost_lists(db: Database, report: CheckReport) -> None:
    """Add a note if there are rows of collections that are gone, as OR REPLACE leaves them."""
    table = related_tables.TABLE
    if not related_tables.is_whole(db):
        return
    [number] = db.execute(f"select count(*) from {table} where {_GONE}").fetchone()
    if number:
        report.note(
            "related",
            f"{describe_count(number, 'row')} of {table} {'is' if number == 1 else 'are'} of no "
            "collection",
            f"delete from {table} where {_GONE}",
            count=number,
        )
