"""The database as a whole: dumps, copies and limits."""

import apsw

from tests.support.faces import error, names, skip_old_sqlite3


def test_a_dump_makes_the_same_database(db, connect):
    dump = "\n".join(db.iterdump())
    copy = connect()
    copy.executescript(dump)
    assert names(copy) == ["one", "two", "three"]
    assert "\n".join(copy.iterdump()) == dump


def test_a_backup_copies_and_tells_how_far_it_is(db, connect):
    copy, steps = connect(), []
    db.backup(copy, pages=1, progress=lambda *step: steps.append(step))
    assert names(copy) == ["one", "two", "three"]
    assert (steps[0][0], steps[-1][:2]) == (apsw.SQLITE_OK, (apsw.SQLITE_DONE, 0))
    assert error(db.backup, db) == (
        "ValueError",
        "target cannot be the same connection instance",
    )
    assert error(db.backup, "a.db")[0] == "TypeError"
    assert error(lambda: db.backup(copy, name="nowhere"))[0] == "OperationalError"
    copy.close()
    assert error(db.backup, copy)[0] == "ProgrammingError"


def test_a_serialized_database_can_be_deserialized(db, connect):
    skip_old_sqlite3(db)
    copy = connect()
    copy.deserialize(db.serialize())
    assert names(copy) == ["one", "two", "three"]


def test_limits_are_read_and_set(db):
    skip_old_sqlite3(db)
    old = db.getlimit(apsw.SQLITE_LIMIT_LENGTH)
    assert db.setlimit(apsw.SQLITE_LIMIT_LENGTH, 1000) == old
    assert db.getlimit(apsw.SQLITE_LIMIT_LENGTH) == 1000
    assert error(db.execute, "SELECT zeroblob(1001)")[0] == "DataError"
    assert error(db.getlimit, 999) == ("ProgrammingError", "'category' is out of bounds")
