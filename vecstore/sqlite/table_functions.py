"""Functions that SQL calls as tables, `select * from name(...)`, on connections of apsw."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import apsw

from ..standard_sqlite import sqlite3

_ESTIMATED_ROWS = 10


@dataclass(frozen=True)
class Signature:
    """What a function is called, gives and takes.

    required: how many of the arguments must be given; one that is left out has a default
    wanted: what it takes, for people
    """

    name: str
    columns: tuple[str, ...]
    arguments: tuple[str, ...]
    required: int
    wanted: str


def failing_in_sql(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose errors are errors of SQL with the same message."""

    @wraps(function)
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except (apsw.Error, sqlite3.Error):
            raise
        except Exception as error:
            raise apsw.SQLError(str(error)) from error

    return call


class TableFunction:
    """The function, as a module of virtual tables: https://sqlite.org/vtab.html"""

    def __init__(
        self, signature: Signature, function: Callable[..., list[Any]], default: Any
    ) -> None:
        self._table = _Table(signature, failing_in_sql(function), default)

    def Connect(self, conn: Any, *_: Any) -> tuple[str, "_Table"]:  # noqa: N802
        conn.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        signature = self._table.signature
        hidden = [f"{name} HIDDEN" for name in signature.arguments]
        return f"CREATE TABLE x({', '.join([*signature.columns, *hidden])})", self._table


class _Table:
    """The table: it wants its first arguments, and may get the last."""

    def __init__(
        self, signature: Signature, function: Callable[..., list[Any]], default: Any
    ) -> None:
        self.signature = signature
        self.function = function
        self.default = default

    def BestIndexObject(self, plan: apsw.IndexInfo) -> bool:  # noqa: N802
        given = {}
        for number in range(plan.nConstraint):
            argument = plan.get_aConstraint_iColumn(number) - len(self.signature.columns)
            if argument < 0 or plan.get_aConstraint_op(number) != apsw.SQLITE_INDEX_CONSTRAINT_EQ:
                continue
            if not plan.get_aConstraint_usable(number):
                return False  # it comes from a table that is yet to be read
            given[argument] = number
        if not given.keys() >= set(range(self.signature.required)):
            raise apsw.SQLError(f"{self.signature.name}() takes {self.signature.wanted}")
        for position, argument in enumerate(sorted(given), start=1):
            plan.set_aConstraintUsage_argvIndex(given[argument], position)
            plan.set_aConstraintUsage_omit(given[argument], True)
        plan.estimatedRows = _ESTIMATED_ROWS
        plan.estimatedCost = 10_000.0
        return True

    def Open(self) -> "_Cursor":  # noqa: N802
        return _Cursor(self)

    def Disconnect(self) -> None: ...  # noqa: N802

    Destroy = Disconnect


class _Cursor:
    """One call of the function."""

    def __init__(self, table: _Table) -> None:
        self._table = table
        self._rows: list[tuple[Any, ...]] = []
        self._position = 0

    def Filter(self, _number: int, _text: str | None, arguments: tuple[Any, ...]) -> None:  # noqa: N802
        wanted = len(self._table.signature.arguments)
        shown = (*arguments, self._table.default)[:wanted]
        self._rows = [(*row, *shown) for row in self._table.function(*arguments)]
        self._position = 0

    def Eof(self) -> bool:  # noqa: N802
        return self._position >= len(self._rows)

    def Column(self, number: int) -> Any:  # noqa: N802
        return self._position if number < 0 else self._rows[self._position][number]

    def Next(self) -> None:  # noqa: N802
        self._position += 1

    def Rowid(self) -> int:  # noqa: N802
        return self._position

    def Close(self) -> None: ...  # noqa: N802
