"""Which values SQLite, JSON and Python agree on, what stands for one, and how messages show them.

A scalar of NumPy is none of them: sqlite3 binds the bytes of its buffer, a BLOB that is greater
than every number. What gives a plain value without a loss is made one, by NumPy's own protocol.
"""

import datetime
import decimal
import enum
import fractions
import math
import numbers
import operator
import pathlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import InvalidInputError
from .standard_sqlite import sqlite3

INTEGERS_END = 2**63  # of SQLite: from there on, its JSON functions make a float of an integer

_PLAIN = (str, int, float, bool, type(None), bytes)
_PLAIN_TYPES = {*_PLAIN}
_INFINITIES: tuple[Any, ...] = (math.inf, -math.inf)
_QUOTED_LENGTH = 80  # characters of a value, in a message
_SEVERAL = {"entry": "entries", "is": "are", "has": "have", "was": "were"}

# How what has no plain value of its own is written instead.
_REMEDIES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (enum.Enum, "value.value"),
    ((datetime.date, datetime.time), "value.isoformat()"),
    (datetime.timedelta, "value.total_seconds()"),
    (decimal.Decimal, "float(value) or str(value)"),
    (fractions.Fraction, "float(value)"),
    ((uuid.UUID, pathlib.PurePath, complex), "str(value)"),
    ((set, frozenset), "sorted(value)"),
    (Mapping, "dict(value)"),
    ((bytes, bytearray, memoryview), "value.hex()"),
    (Iterable, "list(value)"),
)


def to_plain(value: Any) -> Any:
    """Return the None, bool, int, float, str or bytes that a value stands for, or else itself.

    Such are scalars of NumPy, arrays and tensors without dimensions, and what is of a class derived
    from one of these types.
    """
    if type(value) in _PLAIN:
        return value
    if is_array_scalar(value):
        value = _item(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(memoryview(value))
    return value


def is_array_scalar(value: Any) -> bool:
    """Return whether a value is one number, text or date of NumPy, PyTorch or their like."""
    is_one = getattr(value, "shape", None) == () and hasattr(value, "dtype")
    return is_one and hasattr(value, "item")


def _item(value: Any) -> Any:
    """Return what `value.item()` gives, or the value where that is not the same."""
    kind = getattr(value.dtype, "kind", None)
    if kind in ("m", "M", "c") or getattr(value, "mask", False):
        return value  # a time, which may become a number of nanoseconds; complex; masked
    item = value.item()
    if isinstance(item, bytes) and kind != "S":
        return value  # a record
    if is_array_scalar(item):  # a float that is wider than Python's
        return float(item) if float(item) == item else value
    return item


def to_bindable(value: Any, name: str) -> bool | int | float | str | bytes | None:
    """Return a value as SQLite is to get it.

    :param name: what a message calls it
    :raises InvalidInputError: SQLite has nothing like it
    """
    plain = to_plain(value)
    if not isinstance(plain, _PLAIN):
        plain = _adapted(plain)
    if isinstance(plain, bytearray) or is_bytes_view(plain):
        return bytes(plain)
    if isinstance(plain, _PLAIN):
        problem = problem_of(plain)
        if isinstance(plain, str) and surrogate_position(plain) is not None:
            problem = "has a lone surrogate: it is not text"
        if problem is None:
            return plain
        raise InvalidInputError(f"{name} {problem}")
    instead = remedy(value)
    if hasattr(plain, "__len__") and not is_array_scalar(plain):
        instead = (
            "json.dumps() of a list of plain values, for json_each(?) in a condition of SQLite's, "
            "or jsonb_array_elements_text(?::jsonb) in one of PostgreSQL's"
        )
    raise InvalidInputError(f"{name} is of type {type(value).__name__}: pass {instead}")


def _adapted(value: Any) -> Any:
    """Return what sqlite3's adapters make of a value, or else itself.

    What they make of dates by default is written here: from Python 3.12 on, that is deprecated.
    """
    if type(value) is datetime.datetime:
        return value.isoformat(" ")
    if type(value) is datetime.date:
        return value.isoformat()
    return sqlite3.adapt(value, sqlite3.PrepareProtocol, value)


def to_plain_parameters(parameters: Any) -> Any:
    """Return the parameters of a statement with a number in place of each scalar of NumPy's.

    Those of a user's own statement, in which an array is meant as its bytes.
    """
    kind = type(parameters)
    if kind is dict:
        members = to_plain_parameters([*parameters.values()])
        return dict(zip(parameters, members, strict=True))
    if kind in (list, tuple) and not {*map(type, parameters)} <= _PLAIN_TYPES:
        return [to_plain(value) if is_array_scalar(value) else value for value in parameters]
    return parameters


def problem_of(plain: Any) -> str | None:
    """Return what keeps SQLite from having a plain value as it is, with the remedy."""
    if isinstance(plain, int) and not -INTEGERS_END <= plain < INTEGERS_END:
        return f"is {quote(plain)}, an integer of more than 64 bits: pass it as text, str(value)"
    if isinstance(plain, float) and math.isnan(plain):
        return "is NaN, which neither SQLite nor JSON has: pass None"
    return None


def to_integer(value: Any) -> int | None:
    """Return an integer of any type as Python's; None if it is none, as True and 1.0."""
    plain = to_plain(value)
    try:
        return None if isinstance(plain, bool) else operator.index(plain)
    except TypeError:
        return None


def to_float(value: Any) -> float | None:
    """Return a number of any type as a float; None if it is none, as text and NaN."""
    plain = to_plain(value)
    if is_array_scalar(plain) and getattr(plain.dtype, "kind", None) != "f":
        return None  # a time, which NumPy calls a number
    is_number = isinstance(plain, numbers.Real | decimal.Decimal) and not is_missing(plain)
    try:
        return float(plain) if is_number else None
    except OverflowError:
        return None


def is_list(value: Any) -> bool:
    """Return whether a value is a list of others, or the like: no text, no bytes and no table."""
    if isinstance(value, str | bytes | bytearray | memoryview):
        return False
    return isinstance(value, Iterable) and len(getattr(value, "shape", (None,))) == 1


def is_missing(value: Any) -> bool:
    """Return whether a single value stands for none: NaN and NaT, pandas.NA, a masked one."""
    if is_array_scalar(value) and getattr(value, "mask", False):
        return True
    try:
        return bool(value != value)
    except Exception:  # pandas.NA is neither, and a signalling NaN of Decimal refuses
        return True


def is_infinite(value: Any) -> bool:
    """Return whether a number, of any type, is an infinity."""
    return isinstance(value, numbers.Number) and value in _INFINITIES


def is_bytes_view(value: Any) -> bool:
    """Return whether a value is a memoryview of bytes, and not of numbers."""
    return isinstance(value, memoryview) and value.itemsize == 1 and value.ndim == 1


def surrogate_position(text: str) -> int | None:
    """Return where a text has a lone surrogate, which UTF-8 cannot have; None if nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def remedy(value: Any) -> str:
    """Return how to write a value that is refused."""
    if is_array_scalar(value):
        kind = getattr(value.dtype, "kind", None)
        if is_missing(value):
            return "None"
        return "float(value)" if kind == "f" else "str(value)"
    if hasattr(value, "tolist"):
        return "value.tolist()"
    if not hasattr(value, "__len__") and is_missing(value):
        return "None"
    for kinds, instead in _REMEDIES:
        if isinstance(value, kinds):
            return instead
    return "a str, int, float, bool or None"


def quote(value: Any) -> str:
    """Return a value as a message shows it, cut where it is long."""
    if isinstance(value, str | bytes | list | tuple):
        value = value[: _QUOTED_LENGTH + 1]  # more would be cut off: not worth its repr()
    try:
        text = repr(value)
    except Exception:  # of an integer with too many digits, or of another's class
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _QUOTED_LENGTH else f"{text[: _QUOTED_LENGTH - 1]}…"


def describe_count(count: int, noun: str, verb: str = "") -> str:
    """Return "1 row is" or "2,000 rows are", for instance."""
    verb = verb if count == 1 else _SEVERAL.get(verb, verb)
    return f"{count:,} {inflect(noun, count)} {verb}".rstrip()


def inflect(noun: str, count: int) -> str:
    """Return a noun as it is after a number: "entry" or "entries", for instance."""
    return noun if count == 1 else _SEVERAL.get(noun, f"{noun}s")
