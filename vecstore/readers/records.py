"""What a reader yields: a row and where it stood; and what becomes of a row that cannot be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import VecstoreError

Row = dict[str, Any]

# Gets the place of a row, or the id of a file, and what is wrong with it. It raises the error to
# stop, or returns to leave the row out. The message names the place already.
OnError = Callable[[str, VecstoreError], None]


@dataclass(frozen=True)
class Record:
    """A row, and its place in the input, as "line 17 of notes.csv"."""

    place: str
    row: Row


def stop(_place: str, error: VecstoreError) -> None:
    """Raise the error."""
    raise error
