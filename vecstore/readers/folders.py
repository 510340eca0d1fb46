"""Reads the files of folders: which there are, by id, and what is in each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import InvalidInputError
from .choice import Choice, Search
from .decoding import decode
from .patterns import Exclusion
from .records import OnError, stop


def find_files(
    folders: Sequence[tuple[str, str]], *, exclude: Sequence[str] = (), all: bool = False
) -> Choice:
    """Return the files of folders, sorted by id, and what stayed out.

    What is hidden, what a .gitignore names, `node_modules`, `__pycache__` and virtual environments
    stay out, unless a pattern names them.

    :param folders: pairs of a folder and a glob pattern
    :param exclude: patterns as in a .gitignore of each folder, for what else stays out
    :param all: only that stays out
    :raises InvalidInputError: there is no such folder or pattern, or two files would have one id
    """
    excluded = Exclusion(exclude)
    choice = Choice()
    for folder, pattern in folders:
        base = Path(folder)
        if not base.is_dir():
            raise InvalidInputError(f"Invalid directory: {folder}")
        for id, path in Search(base, pattern, choice, excluded, all=all):
            _check_same(id, choice.files.setdefault(id, path), path)
    for path in choice.files.values():
        choice.left_out.pop(path, None)  # one pattern names it, and another does not
    choice.files = dict(sorted(choice.files.items()))
    choice.problems = dict(sorted(choice.problems.items()))
    choice.unmatched = excluded.unmatched
    return choice


def read_files(
    files: Mapping[str, Path],
    encodings: Sequence[str] = ("utf-8", "latin-1"),
    binary: bool = False,
    on_error: OnError = stop,
) -> Iterator[tuple[str, str | bytes]]:
    r"""Yield the id and the text, or with `binary` the bytes, of each file.

    The first encoding that makes text of a file counts: see `decoding.decode()`.

    :param on_error: what to do about a file that cannot be read or decoded
    """
    for id, path in files.items():
        try:
            data = path.read_bytes()
            value = data if binary else _decoded(path, data, encodings)
        except OSError as error:
            reason = error.strerror or str(error)
            on_error(id, InvalidInputError(f"{path} cannot be read: {reason}"))
        except InvalidInputError as error:
            on_error(id, error)
        else:
            yield id, value


def check_encodings(encodings: Sequence[str]) -> None:
    """Raise InvalidInputError for an encoding that Python does not have."""
    for encoding in encodings:
        try:
            "a".encode(encoding)
        except (LookupError, ValueError) as error:
            raise InvalidInputError(
                f"{encoding!r} is not an encoding of text: name one such as utf-8, cp1252 or utf-16"
            ) from error


def _check_same(id: str, first: Path, second: Path) -> None:
    if first != second and not first.samefile(second):
        raise InvalidInputError(
            f"{first} and {second} would both have the id {id!r}: embed one folder at a time, each "
            "with a --prefix"
        )


def _decoded(path: Path, data: bytes, encodings: Sequence[str]) -> str:
    try:
        return decode(data, encodings)
    except UnicodeError as error:
        raise InvalidInputError(f"Could not decode text in file {path}: it {error}") from error
