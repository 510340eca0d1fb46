"""A sync: what a source does not hold any more is deleted, when all that it holds is written."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..entries import id_text
from ..errors import InvalidInputError, ManyDeletionsError, VecstoreError
from ..values import quote
from .items import OnError


class Sync:
    """Finds out which of the entries of a collection a source has no more.

    A source of documents has a chunk if it has the document; an entry that is no chunk it cannot
    have. What could not be written stays in both forms, as an entry and as chunks: its text may
    have been split before, or not yet.

    :param name: of the collection
    :param before: the ids that there were before the source was looked at, of those with the prefix
    :param prefix: the source is of what has ids that begin with it
    :param documents: by its id, that of each chunk
    :param splits: the source is one of documents
    :param joins: where it is not, it may have an entry in place of the chunks that there are

    Attributes:
        has_unknown: an entry has no id that could be known, and may be any of those that are left
    """

    def __init__(
        self,
        name: str,
        before: Iterable[str],
        prefix: str,
        documents: Mapping[str, str],
        *,
        splits: bool,
        joins: bool,
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._before = [id for id in before if isinstance(id, str)]  # others wrote what is no text
        self._documents = documents
        self._splits = splits
        # Entries that would be stored beside their chunks, as where somebody forgets to split.
        self._refused = set() if splits or joins else set(documents.values())
        self._given: set[str] = set()
        self._kept: set[str] = set()
        self._is_read = False
        self._is_empty = True
        self.has_unknown = False

    def watch(self, entries: Iterable[Any]) -> Iterator[Any]:
        """Yield entries, pairs as triples, and note their ids; what is no entry, as it is.

        :raises InvalidInputError: an id does not begin with the prefix, or is that of a document
          in chunks
        """
        for entry in entries:
            self._is_empty = False
            is_entry = isinstance(entry, tuple | list) and len(entry) > 1
            if is_entry:
                self._note(entry[0])
            # What is no entry, the load says.
            yield (*entry, None) if is_entry and len(entry) == 2 else entry
        self._is_read = True

    def keep(self, id: str) -> None:
        """Have what there is under an id stay, which the source has, and which was not written."""
        self._kept.add(id)

    def keep_failed(self, on_error: OnError) -> OnError:
        """Return what to do about an error, and to keep the entry or document that it is about."""
        if on_error != "skip" and not callable(on_error):
            return on_error

        def keep(id: str, error: VecstoreError) -> None:
            self.keep(id)
            if self._splits:
                self.keep(id.rpartition("#")[0])  # it may be that of a chunk
            if callable(on_error):
                on_error(id, error)

        return keep

    def find_deletions(self) -> list[str]:
        """Return, in order, the ids that the source has no more; none unless all of it was read."""
        if self.has_unknown or not self._is_read:
            return []
        return [id for id in self._before if not self._is_held(id)]

    def _is_held(self, id: str) -> bool:
        """Return whether the source has an entry, or may have it."""
        document = self._documents.get(id)
        if id in self._kept or document in self._kept:
            return True
        return (document if self._splits else id) in self._given

    def is_most(self, deletions: list[str]) -> bool:
        """Return whether so much is to be deleted that the source may be broken.

        That is more than half of what there was, and more than one entry; and whatever an empty
        source is said to have no more. An entry that is a document now does not count.
        """
        number = sum(id not in self._given for id in deletions)
        is_most = number > max(1, len(self._before) / 2)
        return bool(deletions) and (is_most or self._is_empty)

    def refuse_most(self, deletions: list[str]) -> None:
        """Raise ManyDeletionsError if `is_most()`."""
        if self.is_most(deletions):
            raise ManyDeletionsError(
                f"{self.describe(deletions)}: nothing was deleted, and all that it has is stored. "
                "If the source is whole, delete_most=True deletes them",
                ids=deletions,
            )

    def describe(self, deletions: list[str]) -> str:
        """Return what a message says of entries to delete."""
        where = f" with the prefix {quote(self._prefix)}" if self._prefix else ""
        return (
            f"The source does not have {len(deletions):,} of the {len(self._before):,} entries of "
            f"{quote(self._name)}{where}, such as {quote(deletions[0])}"
        )

    def _note(self, id: Any) -> None:
        try:
            text = id_text(id)
        except InvalidInputError:  # the load says what is wrong with it
            self.has_unknown = True
            return
        if not text.startswith(self._prefix):
            raise InvalidInputError(
                f"The id {quote(text)} does not begin with the prefix {quote(self._prefix)} of "
                "what is in sync: give ids whole, with the prefix"
            )
        if text in self._refused:
            raise InvalidInputError(
                f"{quote(text)} is a document in chunks: sync_documents() (--chunk) keeps it in "
                "step, and delete_most=True (--yes) puts one entry in the place of its chunks"
            )
        self._given.add(text)
