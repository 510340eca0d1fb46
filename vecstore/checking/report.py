"""What a check has found: problems, and notes on what is allowed and good to know."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..settings import IndexForm

# Is called with how many rows were read, and how many there are.
CheckProgress = Callable[[int, int], object]

_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One kind of thing that check() found, however often.

    Attributes:
        kind: "integrity", "schema", "collection", "vector", "dimensions", "content", "index",
            "graph", "related", "server" or "model"
        message: what it is, in a sentence
        remedy: what to do, in a sentence; empty if there is nothing to do
        count: how often it was found
        examples: the name of a collection, and an id in it, of the first few
    """

    kind: str
    message: str
    remedy: str = ""
    count: int = 1
    examples: list[tuple[str | None, str | None]] = field(default_factory=list)


@dataclass
class CheckReport:
    """What check() found. Problems are damage; notes are not.

    Attributes:
        file: the path, or "the database in memory", or the URL of a server, without a password
        collections: how many there are
        embeddings: how many there are
        form: where the index is: "inside" the file, or "beside" it; None for a server
    """

    file: str
    collections: int = 0
    embeddings: int = 0
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    form: IndexForm | None = "inside"

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def problem(self, kind: str, message: str, remedy: str, **details: Any) -> None:
        """Add what must not be."""
        self.problems.append(Finding(kind, message, remedy, **details))

    def note(self, kind: str, message: str, remedy: str = "", **details: Any) -> None:
        """Add what may be."""
        self.notes.append(Finding(kind, message, remedy, **details))

    def as_dict(self) -> dict[str, Any]:
        """Return what can be written as JSON."""
        return {"ok": self.ok, **asdict(self)}


class Tally:
    """Counts rows, of which it keeps the first few keys."""

    def __init__(self) -> None:
        self.count = 0
        self._keys: list[tuple[Any, Any]] = []

    def add(self, collection_id: Any, id: Any) -> None:
        """Count one row, by its key."""
        self.count += 1
        if len(self._keys) < _EXAMPLES:
            self._keys.append((collection_id, id))

    def details(self, names: dict[Any, str]) -> dict[str, Any]:
        """Return the count and the examples of a Finding, given the names of the collections."""
        examples = [(names.get(key), _text(id)) for key, id in self._keys]
        return {"count": self.count, "examples": examples}


def _text(id: Any) -> str | None:
    return id if id is None or isinstance(id, str) else repr(id)
