"""What a load leaves out: said on stderr, and written to a file, as JSON lines, at once."""

import json
from collections import Counter
from pathlib import Path
from typing import TextIO

import click

from ..errors import VecstoreError
from ..readers import LEFT_OUT_AS_BROKEN_LINK, LEFT_OUT_BY_EXCLUDE, FoundFiles
from ..values import describe_count

_MAX_LINE_BYTES = 1_000_000  # of a list of errors: an id may be long


class Failures:
    """Takes note of entries that are left out: a context manager, in which `path` is written.

    :param path: a file for a line of id and error for each
    :param skip: also leave out what cannot be read, which is an error otherwise

    Attributes:
        unread_ids: of entries that are there and could not be read
        unknown: the first place of what could not be read and may be any entries; None without
    """

    def __init__(self, path: Path | None, *, skip: bool) -> None:
        self.skip = skip
        self.unread_ids: set[str] = set()
        self.unknown: str | None = None
        self._path = path
        self._file: TextIO | None = None
        self._number = 0
        self._first: VecstoreError | None = None
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._no_text = 0
        self._notes: list[str] = []

    def refuse_to_replace(self) -> None:
        """Raise UsageError if the path is of a file that is no earlier list: it would be lost."""
        if self._path is None or not self._path.is_file():
            return
        with self._path.open("rb") as file:
            first = file.readline(_MAX_LINE_BYTES)
        try:
            is_list = not first or json.loads(first).keys() == {"id", "error"}
        except (ValueError, AttributeError):
            is_list = False
        if not is_list:
            raise click.UsageError(
                f"--errors would replace {self._path}, which is no list of errors: name another"
            )

    def __enter__(self) -> "Failures":
        # At the start: that it cannot be written must not be found after an hour.
        self._file = self._path.open("w", encoding="utf-8") if self._path else None
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            self._file.close()

    def add(self, id: str, error: VecstoreError) -> None:
        """Take note of an entry that could not be embedded."""
        self._number += 1
        self._first = self._first or error
        self._write(id, error)

    def add_unreadable(self, place: str, error: VecstoreError, id: str | None = None) -> None:
        """Take note of what could not be read, or raise it.

        :param id: of the entry that it would be, if that is known
        """
        if id is not None:
            self.unread_ids.add(id)
        elif self.unknown is None:
            self.unknown = place
        if self.skip:
            self.add(place, error)
        elif isinstance(error.__cause__, UnicodeError):
            self._no_text += 1
            # One of many files that is no text is a warning, as it is in llm.
            self._write(place, error)
            click.echo(str(error), err=True)
        else:
            raise error

    def note(self, message: str) -> None:
        """Take note of what explains that there is less, or more, than expected."""
        self._notes.append(message)

    def note_left_out(self, found: FoundFiles) -> None:
        """Take note of the files that were not chosen."""
        self._left_out.update(found.left_out.values())
        for folder, pattern in found.empty:
            below = "" if "/" in pattern else f": '**/{pattern}' is for those in its folders too"
            self.note(f"No file in {folder} matches {pattern!r}{below}")
        if found.unmatched:
            patterns = ", ".join(map(repr, found.unmatched))
            self.note(
                f"--exclude {patterns} left nothing out: patterns are relative to the folder of "
                "--files, and name what is in it"
            )

    def show_left_out(self) -> None:
        """Say what was noted, and in one line how many files were left out, if any, and why."""
        for message in self._notes:
            click.echo(message, err=True)
        always: list[str] = []
        others: list[str] = []
        for (kind, reason), number in sorted(self._left_out.items()):
            listed = always if reason in (LEFT_OUT_BY_EXCLUDE, LEFT_OUT_AS_BROKEN_LINK) else others
            listed.append(f"{describe_count(number, kind)} {reason}")
        if self._no_text:
            always.append(f"{describe_count(self._no_text, 'file')} as no text")
        parts = [", ".join(always), ", ".join(others) + " (--all takes these)" * bool(others)]
        if any(parts):
            click.echo(f"Left out: {'; '.join(filter(None, parts))}", err=True)

    def raise_if_any(self) -> None:
        """Raise ClickException with the number of entries that were skipped and the first error."""
        if self._first:
            entries = describe_count(self._number, "entry", "was")
            listed = "" if self._path else "; --errors FILE lists them"
            first = "" if self._number == 1 else "the first: "
            raise click.ClickException(f"{entries} skipped: {first}{self._first}{listed}")

    def _write(self, id: str, error: VecstoreError) -> None:
        if self._file:
            self._file.write(json.dumps({"id": id, "error": str(error)}) + "\n")
            self._file.flush()
