"""What a page shows of collections and entries: what is no text or no JSON, it describes.

A database that another program has written may hold anything.
"""

import copy
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from ..chunks import KEYS, document_in_json
from ..rows import CollectionRow, RankedHit


@dataclass
class ShownCollection:
    """A row of `collections`, as it is stored, and what is shown of it."""

    row: CollectionRow
    model: str
    count: int | None = None  # None: counting takes too long

    @property
    def id(self) -> int:
        """Return its number, which another may have later."""
        return self.row.id

    @property
    def name(self) -> str:
        """Return its name."""
        return self.row.name

    @property
    def fingerprint(self) -> str:
        """Return what tells whether a link is of this collection, and its name to no one."""
        return hashlib.blake2b(repr(self.row).encode(), digest_size=6).hexdigest()


@dataclass
class ShownEntry:
    """An entry as it is shown, and the document that it is a chunk of; None if it is none."""

    id: str
    score: float | None
    content: str | None
    metadata: Any
    document: str | None

    @property
    def place(self) -> str | None:
        """Return where in its document a chunk is, for people."""
        if self.document is None:
            return None
        chunks = self.metadata.get("chunks")
        of = f" of {chunks}" if type(chunks) is int else ""
        return f"chunk {self.metadata['chunk']}{of}"

    @property
    def heading(self) -> str | None:
        """Return the headings above a chunk, if its document has some."""
        heading = None if self.document is None else self.metadata.get("heading")
        return heading if isinstance(heading, str) and heading else None

    @property
    def metadata_pairs(self) -> list[tuple[str, str]]:
        """Return names and values of metadata as text; of what is no object, one without a name.

        Of a chunk, those of its user: `place` and `heading` tell the others.
        """
        if self.metadata is None:
            return []
        if not isinstance(self.metadata, dict):
            return [("", _plain(self.metadata))]
        hidden = () if self.document is None else KEYS
        return [(name, _plain(v)) for name, v in self.metadata.items() if name not in hidden]


@dataclass
class ShownResult(ShownEntry):
    """An entry that a search for a text has found, with the fields of SearchResult: why."""

    similar_rank: int | None
    similar_score: float | None
    keyword_rank: int | None
    keyword_score: float | None
    snippet: str | None


class Marks(NamedTuple):
    """What stands before and after a word that was found."""

    before: str
    after: str


PLAIN_MARKS = Marks("**", "**")  # those of Collection.search()


def secret_marks() -> Marks:
    """Return marks that no text has, so that none can look as if words of it were found."""
    return Marks(secrets.token_hex(8), secrets.token_hex(8))


def mark_up(snippet: str, marks: Marks) -> Markup:
    """Return a snippet as HTML, its marks as elements."""
    html = escape(snippet).replace(marks.before, Markup("<mark>"))
    return html.replace(marks.after, Markup("</mark>"))


def without_marks(snippet: str, marks: Marks) -> str:
    """Return the words of a snippet."""
    return snippet.replace(marks.before, "").replace(marks.after, "")


def shown_collection(row: Any) -> ShownCollection:
    """Return what is shown of a row of id, name, model as it is stored, model as text, count."""
    id, name, stored, model, count = row
    return ShownCollection(CollectionRow(id, name, stored), model, count)


def shown_entry(row: Any) -> ShownEntry:
    """Return what is shown of a row that begins with id, score, content, metadata."""
    id, score, content, metadata = row[:4]
    shown = _metadata(metadata)
    document = document_in_json(id, metadata) if isinstance(shown, dict) else None
    return ShownEntry(text(id) or "", score, text(content), shown, document)


def shown_result(hit: RankedHit) -> ShownResult:
    """Return what is shown of a hit of several rankings."""
    return ShownResult(
        **vars(shown_entry(hit)),
        similar_rank=hit.similar_rank,
        similar_score=hit.similar_score,
        keyword_rank=hit.keyword_rank,
        keyword_score=hit.keyword_score,
        snippet=hit.snippet,
    )


def text(value: Any) -> str | None:
    """Return a value as text; None for NULL."""
    if value is None or isinstance(value, str):
        return value
    return f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metadata(value: Any) -> Any:
    written = text(value)
    if not written:
        return None
    try:
        metadata = json.loads(written)
        json.dumps(metadata, allow_nan=False).encode()
        copy.deepcopy(metadata)  # as asdict() does, which goes less deep
        json.dumps(metadata, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return written.encode("utf-8", "replace").decode()
    return metadata
