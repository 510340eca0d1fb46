"""The functions that users register with sqlite-utils, for a connection that takes another's place.

A Database keeps only their names, and sqlite3 tells none that a connection has.
"""

import functools
import inspect
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...standard_sqlite import sqlite3
from .opening import can_load_extensions

if TYPE_CHECKING:
    from sqlite_utils import Database

_Function = Callable[..., Any]
_Functions = dict[tuple[str, int], tuple[_Function, bool]]  # by name and number of arguments

_is_remembering = False
_remembered: "weakref.WeakKeyDictionary[Database, _Functions]" = weakref.WeakKeyDictionary()


def remember_registered_functions() -> None:
    """From now on, keep what is registered with any Database, if its connection may be replaced.

    Called when vecstore is imported and, for whoever imports sqlite-utils after that, when the
    first Database is made.
    """
    global _is_remembering
    if _is_remembering or can_load_extensions(sqlite3) or "sqlite_utils" not in sys.modules:
        return
    from sqlite_utils import Database

    _is_remembering = True
    original = Database.register_function

    @functools.wraps(original)
    def register_function(
        self: "Database",
        fn: _Function | None = None,
        deterministic: bool = False,
        replace: bool = False,
        name: str | None = None,
    ) -> Any:
        def register(fn: _Function) -> _Function:
            key = (name or fn.__name__, len(inspect.signature(fn).parameters))
            if replace or key not in self._registered_functions:
                _remembered.setdefault(self, {})[key] = (fn, deterministic)
            original(self, fn, deterministic=deterministic, replace=replace, name=name)
            return fn

        if fn is None:
            return register
        register(fn)
        return None

    Database.register_function = register_function  # type: ignore[method-assign]


def forgotten_functions(db: "Database") -> list[str]:
    """Return the names of those that were registered before anything was remembered."""
    known = _remembered.get(db, {})
    return [name for name, arity in db._registered_functions if (name, arity) not in known]


def register_again(db: "Database") -> None:
    """Register what is remembered with the connection that a Database has now."""
    db._registered_functions.clear()
    for (name, _), (function, deterministic) in _remembered.get(db, {}).copy().items():
        db.register_function(function, name=name, deterministic=deterministic, replace=True)
