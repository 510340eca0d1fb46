"""What explain() says of a condition for which many rows were read."""

import re
import shlex

from ...errors import InvalidInputError
from .. import metadata_indexes
from ..connection import filenames
from ..connection.database import Database

_METADATA = r"(?:\bembeddings\s*\.\s*)?\bmetadata\b"
_VALUE = re.compile(
    rf"""
    json_extract \s* \( \s* {_METADATA} \s* , \s* '(?P<path>(?:[^']|'')*)' \s* \)
    | {_METADATA} \s* ->> \s* '(?P<key>(?:[^']|'')*)'
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What an index can answer. The other side of a comparison may come first.
_COMPARED = re.compile(r"\s*(?:=|<(?!>)|>|in\b|between\b|is\b(?!\s+not\b))", re.IGNORECASE)
_COMPARED_WITH = re.compile(r"(?:(?<!!)=|<|(?<!<)>)\s*\Z")
_CHANGED = re.compile(r"\s*(?:[-+*/%&|]|<<|>>)")


def advise(db: Database, where: str) -> str | None:
    """Return which index would let SQLite find the rows of a condition; None if none is known."""
    for value in _VALUE.finditer(where):
        before, after = where[: value.start()], where[value.end() :]
        is_compared = _COMPARED.match(after) or _COMPARED_WITH.search(before)
        if is_compared and not _CHANGED.match(after):
            return _advise_on(db, value)
    return None


def _advise_on(db: Database, value: re.Match[str]) -> str | None:
    text = (value["path"] or value["key"] or "").replace("''", "'")
    path = text if text.startswith("$") else f'$."{text}"'
    if value["key"] is not None and not text.startswith("$") and text.isidentifier():
        path = f"$.{text}"
    key = path.removeprefix("$.") if re.fullmatch(r"\$\.\w+", path) else path
    if not _can_be_indexed(key, path):
        return None
    expression = metadata_indexes.expression_of(path)
    is_indexed = any(index.path == path for index in metadata_indexes.find_indexes(db))
    write = "" if value["key"] is None else f"write {expression} in place of {value[0]}"
    file = filenames.main_file(db.conn)
    build = (
        f"vecstore index build {shlex.quote(file)} --metadata {shlex.quote(key)}"
        if file
        else f"index_metadata({key!r})"
    )
    if is_indexed:
        return f"To use the index of {path}, {write}" if write else None
    also = f", and {write}" if write else ""
    return f"No index leads to the rows of the condition. One may find them: {build}{also}"


def _can_be_indexed(key: str, path: str) -> bool:
    """Return whether an index that is made for a key is one of a path, which may be any text."""
    try:
        return metadata_indexes.path_of(key) == path
    except InvalidInputError:
        return False
