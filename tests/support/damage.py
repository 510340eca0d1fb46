"""Damage done to the tables, and what check() says of it."""

from contextlib import contextmanager

from tests.support.databases import rows
from vecstore import check


@contextmanager
def without_triggers(db):
    """Write to the tables alone, as something that goes wrong would."""
    triggers = rows(db, "select name, sql from sqlite_master where type = 'trigger'")
    for name, _ in triggers:
        db.execute(f"drop trigger {name}")
    yield
    for _, sql in triggers:
        db.execute(sql)


def problems(db):
    return [(finding.message, finding.examples) for finding in check(db).problems]


def notes(db):
    """Return the notes, but for the one that an index beside has yet to follow some changes."""
    return [
        (finding.message, finding.examples)
        for finding in check(db).notes
        if "is behind by" not in finding.message
    ]
