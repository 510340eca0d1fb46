"""What a collection has said to put before a query, and before a document, when it is embedded."""

from typing import Any, NamedTuple

from . import values
from .errors import InvalidInputError
from .values import quote


class Prefixes(NamedTuple):
    """A collection's own prefixes; None where those of its model count."""

    query_prefix: str | None = None
    document_prefix: str | None = None

    def by_name(self) -> dict[str, str]:
        """Return those that there are."""
        return {name: prefix for name, prefix in self._asdict().items() if prefix is not None}


def describe_prefix(own: str | None) -> str:
    """Return what a message says of a collection's own prefix."""
    return "that of its model" if own is None else quote(own)


def require_prefix(name: str, value: Any) -> str | None:
    """Return a prefix as it is stored, which must be text, or None.

    :raises InvalidInputError: it is something else
    """
    plain = values.to_plain(value)
    if plain is not None and not isinstance(plain, str):
        raise InvalidInputError(
            f"{name} is {quote(value)}: a prefix must be text, or None for that of the model"
        )
    if plain is not None and values.surrogate_position(plain) is not None:
        raise InvalidInputError(f"{name} is {quote(value)}: a lone surrogate is no text")
    return plain
