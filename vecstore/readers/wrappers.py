"""Tells an object around the rows, such as a page of an API, from an object that is an entry."""

import re
import shlex
from collections import deque
from collections.abc import Iterator
from itertools import islice

from ..errors import InvalidInputError
from ..values import quote
from .json_stream import describe_lists, find_lists
from .records import OnMessage, Record, Row

# Keys of pages, as _normalize_key() writes them. An object that is a row may have one of the second
# kind too, but hardly beside a list of objects that it counts.
_PAGE_KEYS = frozenset(
    [
        "page",
        "pages",
        "next",
        "nextpage",
        "nextpagetoken",
        "nexttoken",
        "nexturl",
        "nextlink",
        "nextcursor",
        "nextoffset",
        "previous",
        "previouspage",
        "prev",
        "prevpage",
        "prevcursor",
        "prevurl",
        "firstpage",
        "lastpage",
        "offset",
        "limit",
        "cursor",
        "hasmore",
        "hasnext",
        "hasnextpage",
        "pageinfo",
        "pagination",
        "paging",
        "pagenumber",
        "pagenum",
        "pagesize",
        "perpage",
        "currentpage",
        "totalpages",
        "numpages",
        "pagecount",
        "totalcount",
        "totalresults",
        "totalhits",
        "totalrows",
        "totalitems",
        "numresults",
        "numfound",
        "resultcount",
        "odatanextlink",
        "odatacount",
        "took",
        "truncated",
    ]
)
_COUNT_KEYS = ("count", "total")
_TEXT_KEYS = ("text", "title", "name", "content", "body", "description", "summary")
_is_jq_path = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*").fullmatch  # in jq, without quotes
_is_id_key = re.compile(r"(?:.*_)?id|.*[a-z]I[dD]|I[dD]").fullmatch  # as order_id and orderId


def may_be_wrapper(row: Row, named: tuple[str, ...]) -> bool:
    """Return whether an object may hold the rows: not if it has the columns that are named."""
    if named and all(name in row for name in named):
        return False
    return any(isinstance(value, list | dict) for value in row.values())


def check_only_record(record: Record, warn: OnMessage) -> None:
    """Raise InvalidInputError if the only record holds the rows; warn if it is not so sure."""
    place, row = f"{record.place} is all there is,", record.row
    has_id = _first_key(row).lower() in ("id", "_id")
    empty = [name for name, value in row.items() if value == []]
    if found := _describe_rows_within(row, is_entry=has_id or _has_text(row)):
        if not has_id:
            raise InvalidInputError(f"{place} {found}{_explain_one_entry(row)}")
        warn(f"{place} {found}; the object was taken for one entry")
    elif all(isinstance(value, dict) for value in row.values()):
        keys = ", ".join(map(quote, islice(row, 3)))
        raise InvalidInputError(
            f"{place} an object of objects by key ({keys}): {_explain_list('')}"
        )
    elif empty and not has_id:
        warn(
            f"{place} an object with an empty list in it, and was taken for one entry: if rows "
            f"come in that list, use --rows {shlex.quote(empty[0])}"
        )


def check_first_record(record: Record, second: Record) -> None:
    """Raise InvalidInputError if the first of several records is a page of rows."""
    row, key = record.row, _first_key(record.row)
    # What tells one row from the next comes first in it; of a page, that is text of pages alone.
    if (
        isinstance(row[key], str)
        and row[key] != second.row.get(key)
        and _normalize_key(key) not in _PAGE_KEYS
    ):
        return
    sign = _find_sign_of_page(row)
    # An order may have a total and a list of what was ordered: but not the total as its id.
    if sign is None:
        return
    if _normalize_key(sign) in _COUNT_KEYS and sign in row and sign != key:
        return
    if _has_text(row) or _is_id_key(key):
        return
    if found := _describe_rows_within(row, is_entry=True):
        raise InvalidInputError(
            f"{record.place} looks like a page of rows, as it has {quote(sign)}: {found}"
            f"{_explain_one_entry(row)}"
        )


def _describe_rows_within(row: Row, *, is_entry: bool) -> str:
    """Return what in an object looks like rows, and how to get them, or "".

    :param is_entry: it does not if an entry may have it
    """
    if objects := list(find_lists(dict, row)):
        return (
            f"an object with lists of objects in it: {describe_lists(objects)}; "
            f"--rows {shlex.quote(objects[0][0])} embeds the objects of that list"
        )
    if arrays := list(find_lists(list, row)):
        return (
            f"an object with lists of lists in it: {describe_lists(arrays)}; rows must be objects, "
            "as Datasette gives them with ?_shape=array, and pandas with to_json(orient='records')"
        )
    if is_entry:
        return ""
    is_page = _find_sign_of_page(row) is not None
    if by_key := list(_find_objects_by_key(row, is_page)):
        found = describe_lists(by_key)
        return f"an object with objects by key in it: {found}; {_explain_list(by_key[0][0])}"
    if is_page and (plain := list(find_lists(object, row))):
        return (
            f"an object with lists of plain values in it: {describe_lists(plain)}; rows must be "
            "objects, as jq 'map({id: ., text: .})' makes them of a list of texts"
        )
    return ""


def _explain_list(name: str) -> str:
    path = f".{name} | " if _is_jq_path(name) else ""
    return (
        f"rows must be in a list, as jq '{path}to_entries | map({{id: .key}} + .value)' makes one "
        "of rows by key, and to_json(orient='records') in pandas"
    )


def _find_objects_by_key(row: Row, is_page: bool) -> Iterator[tuple[str, int]]:
    """Yield the name and size of each object in an object whose values are objects of one kind.

    :param is_page: those of a page need not all have the same keys
    """
    found = deque(row.items())
    while found:
        name, value = found.popleft()
        if not isinstance(value, dict) or _normalize_key(name) == "links":
            continue
        rows = list(value.values())
        is_of_objects = bool(rows) and all(isinstance(row, dict) and row for row in rows)
        is_of_one_kind = len(rows) > 1 and all(row.keys() == rows[0].keys() for row in rows[1:])
        if is_of_objects and (is_page or is_of_one_kind):
            yield name, len(rows)
        else:
            found += [(f"{name}.{key}", inner) for key, inner in value.items()]


def _find_sign_of_page(row: Row) -> str | None:
    """Return a key that pages have, of the object or of one in it."""
    inner: list[Row] = [value for value in row.values() if isinstance(value, dict)]
    for found in (row, *inner):
        holds_list = any(isinstance(value, list | dict) for value in found.values())
        for key, value in found.items():
            is_count = holds_list and _normalize_key(key) in _COUNT_KEYS and type(value) is int
            if is_count or _normalize_key(key) in _PAGE_KEYS:
                return key
    return None


def _normalize_key(key: str) -> str:
    return re.sub("[^a-z]", "", key.lower())


def _first_key(row: Row) -> str:
    return next(iter(row))


def _has_text(row: Row) -> bool:
    return any(isinstance(row.get(name), str) for name in _TEXT_KEYS)


def _explain_one_entry(row: Row) -> str:
    """Say how an object is taken for one entry: with the name of a column that may be its id."""
    for name, value in row.items():
        if value and isinstance(value, str | int) and not isinstance(value, bool):
            id = shlex.quote(name)
            return f"; if the object is itself an entry, name its columns, as --id {id}"
    return ""
