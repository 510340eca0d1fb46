"""Ids that start with a text, as a condition in SQL."""

from ...query import Query

_LAST_CODE_POINT = 0x10FFFF


def prefix_condition(query: Query, id: str) -> str:
    """Return the SQL for ids that start with the prefix, as a range that an index can answer."""
    if not query.prefix:
        return ""
    if after_prefix(query.prefix) is None:
        return f"and {id} >= :_prefix"
    return f"and {id} >= :_prefix and {id} < :_after_prefix"


def after_prefix(prefix: str) -> str | None:
    """Return the least text that is greater than every text with this prefix; None if none is.

    SQLite compares the bytes of UTF-8, whose order is that of the code points.
    """
    shortened = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    if following == 0xD800:  # surrogates are no text
        following = 0xE000
    return shortened[:-1] + chr(following)
