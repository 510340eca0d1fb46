"""Whether the index in a file beside is sound, and equals the table as far as it has followed it.

Each portion is compared at one moment of both files, and without the rows that had changed by then
since the last change that the index has followed. So neither writers nor who brings the index into
step make a difference that is none.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from ...checking.report import CheckReport
from ...values import describe_count
from .. import journal
from ..connection import interrupts, opening, sqlite_errors
from ..connection.database import Database
from ..index import beside, index_file, keyword_building
from ..index_names import (
    BESIDE,
    KEYWORDS,
    IndexNames,
    KeywordNames,
    index_names,
    keyword_names,
    number_of,
)
from . import beside_states, index_checks, keyword_checks, reference, soundness
from .beside_states import ReplacedError
from .index_checks import Ranges

_REMEDY = "rebuild it: vecstore index build"
_TRIES = 3  # of what another process replaces meanwhile


def check_journal(db: Database, report: CheckReport) -> None:
    """Add to the report that changes have not been noted, so that a search reads all rows."""
    if journal.is_broken(db):
        report.note(
            "schema",
            "The journal of changes, vecstore_changes, has lost a part: the index beside the file "
            "is not used",
            "a Collection that is opened makes it again, and the index anew",
        )


class BesideIndexes:
    """The indexes in the file beside, which are compared with the table.

    Attributes:
        compared: those that can be
        rows_to_read: for that
    """

    def __init__(self, db: Database, report: CheckReport) -> None:
        """Open the file, and add to the report why an index of it cannot be compared."""
        self.compared: list[IndexNames | KeywordNames] = []
        self.rows_to_read = 0
        self._db = db
        self._report = report
        self._path = beside.file_of(db)
        self._told: set[int] = set()
        self._is_unusable = False
        if beside_states.has_file(db) and journal.is_whole(db):
            self._open()

    def _open(self) -> None:
        beside.detach(self._db)  # a file that is open can be looked at by SQLite alone
        if not index_file.is_ours(self._path, opening.driver_of(self._db)):
            self._is_unusable = True
            message = f"{self._path} is not an index of vecstore's, and stands in the place of one"
            remedy = "rename it: then the next search builds the index"
            self._report.problem("index", message, remedy)
            return
        for attempt in range(_TRIES):
            try:
                if beside.detach(self._db):
                    beside.attach_or_fail(self._db)
                self._choose_compared()
                break
            except self._db.conn.DatabaseError as error:
                if sqlite_errors.is_settled(error) or sqlite_errors.is_busy(error):
                    raise
                if attempt < _TRIES - 1 and beside_states.may_be_replaced(self._db, error):
                    continue
                if beside_states.has_file(self._db):  # else it was deleted just now
                    self._is_unusable = True
                    self._tell_unreadable(error)
                break

    def _choose_compared(self) -> None:
        found = soundness.integrity_errors(self._db, BESIDE)
        if found:
            self._is_unusable = True
            message = f"SQLite finds {self._path} damaged: {'; '.join(found[:3])}"
            self._report.problem("index", message, _REMEDY, count=len(found))
            return
        state = beside_states.read_state(self._db)
        if state.behind is None:
            message = f"{self._path} is of another state of the database"
            self._report.note("index", message, "the next search builds it anew")
            return
        for d, found_state in sorted(state.states.items()):
            if found_state == "incomplete":
                self._told.add(d)
                self._tell_incomplete(d)
            elif d == KEYWORDS:
                names = keyword_names(BESIDE)
                self.compared.append(names)
                self.rows_to_read += keyword_checks.rows_to_compare(self._db, names)
            else:
                index = index_names(d, BESIDE)
                self.compared.append(index)
                self.rows_to_read += index_checks.rows_to_compare(self._db, index)

    def _tell_incomplete(self, dimensions: int) -> None:
        title, remedy = _title(dimensions), _REMEDY
        found = reference.parts_of(self._db, BESIDE)
        if dimensions == KEYWORDS:
            wrong = keyword_building.wrong_parts(found, is_beside=True)
            remedy = keyword_checks.REMEDY
        else:
            wrong = index_checks.wrong_parts(reference.index_tables(self._db, dimensions), found)
        if wrong:
            message = f"{title} is not whole: {', '.join(wrong)}"
            self._report.problem("index", message, remedy, count=len(wrong))
        else:
            message = f"{title} is built in part"
            self._report.note("index", message, "the next search builds the rest")

    def _tell_unreadable(self, error: Exception) -> None:
        if beside_states.may_be_replaced(self._db, error):
            message = f"{self._path} has a write that was cut off ({error})"
            self._report.note("index", message, "the next search undoes it")
        else:
            self._report.problem("index", f"{self._path} cannot be read: {error}", _REMEDY)

    def compare(
        self, index: IndexNames | KeywordNames, names: dict[Any, str], spans: Ranges
    ) -> None:
        """Add to the report where an index is not equal to the table."""
        for _ in range(_TRIES):
            if not beside.attach(self._db) and not beside_states.is_attached(self._db):
                continue  # it was deleted just now
            try:
                moment = partial(_moment, self._db, number_of(index))
                if isinstance(index, KeywordNames):
                    keyword_checks.compare_keywords(
                        self._db, index, self._report, names, spans, moment
                    )
                else:
                    index_checks.compare_index(self._db, index, self._report, names, spans, moment)
                return
            except ReplacedError:
                pass
            except self._db.conn.DatabaseError as error:
                if not beside_states.may_be_replaced(self._db, error):
                    raise
        title = _title(number_of(index))
        self._report.note("index", f"{title} was built anew during the check", "check again")

    def note_missing(self, dimensions: Counter[int]) -> None:
        """Add to the report which vectors have no index, and how far the index is behind."""
        told = self._told | {*map(number_of, self.compared)}
        for d, number in sorted(dimensions.items()):
            if d not in told and not self._is_unusable:
                index_checks.note_missing_index(d, number, self._report)
        behind = beside_states.read_state(self._db).behind if self.compared else 0
        if behind:
            changes = describe_count(behind, "change")
            message = f"The index beside the file is behind by {changes}"
            self._report.note("index", message, "the next search follows them")


def note_leftover(db: Database, report: CheckReport) -> None:
    """Add to the report that a file whose index is inside has one beside as well, of no use."""
    path = beside.file_of(db)
    if beside_states.has_file(db) and index_file.is_ours(path, opening.driver_of(db)):
        message = f"{path} is of no use: the index is inside the file"
        report.note("index", message, "delete it, as 'vecstore index move FILE inside' does")


def _title(dimensions: int) -> str:
    if dimensions == KEYWORDS:
        return keyword_checks.TITLE
    return f"The index of {dimensions} dimensions"


@interrupts.block
def _moment(db: Database, dimensions: int) -> Iterator[str]:
    with beside_states.holding_state(db) as state:
        if state.states.get(dimensions) not in ("ready", "behind"):
            raise ReplacedError  # by one that is still being built
        yield journal.changed_keys_sql(str(state.seq)) if state.behind else ""
