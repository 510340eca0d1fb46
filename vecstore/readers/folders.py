"""Reads the files of folders: which there are, by id, and what is in each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import InvalidInputError
from .decoding import FILE_ENCODINGS, decode_text
from .file_search import FileSearch, FoundFiles, make_unreadable_error
from .patterns import Exclusion
from .records import OnUnreadable, raise_unreadable


def find_files(
    folders: Sequence[tuple[str, str]], *, exclude: Sequence[str] = (), all: bool = False
) -> FoundFiles:
    """Return the files of folders, sorted by id, and what stayed out.

    What is hidden, what a .gitignore names, `node_modules`, `__pycache__` and virtual environments
    stay out, unless a pattern names them.

    :param folders: pairs of a folder and a glob pattern
    :param exclude: patterns as in a .gitignore of each folder, for what else stays out
    :param all: only that stays out
    :raises InvalidInputError: there is no such folder or pattern, or two files would have one id
    """
    excluded = Exclusion(exclude)
    found = FoundFiles()
    for folder, pattern in folders:
        base = Path(folder)
        if not base.is_dir():
            raise InvalidInputError(f"Invalid directory: {folder}")
        before = found.number
        is_empty = True
        for id, path in FileSearch(base, pattern, found, excluded, all=all):
            is_empty = False
            _refuse_same_id(id, found.files.setdefault(id, path), path)
        if is_empty and found.number == before:
            found.empty.append((folder, pattern))
    for path in found.files.values():
        found.left_out.pop(path, None)  # one pattern names it, and another does not
    found.files = dict(sorted(found.files.items()))
    found.problems = dict(sorted(found.problems.items()))
    found.unmatched = excluded.unmatched
    return found


def read_files(
    files: Mapping[str, Path],
    encodings: Sequence[str] = FILE_ENCODINGS,
    binary: bool = False,
    on_unreadable: OnUnreadable = raise_unreadable,
) -> Iterator[tuple[str, str | bytes]]:
    r"""Yield the id and the text, or with `binary` the bytes, of each file.

    The first encoding that makes text of a file counts: see `decode_text()`.

    :param on_unreadable: what to do about a file that cannot be read or decoded
    """
    for id, path in files.items():
        try:
            data = path.read_bytes()
            value = data if binary else _decode_file(path, data, encodings)
        except OSError as error:
            on_unreadable(id, make_unreadable_error(path, error))
        except InvalidInputError as error:
            on_unreadable(id, error)
        else:
            yield id, value


def _refuse_same_id(id: str, first: Path, second: Path) -> None:
    if first != second and not first.samefile(second):
        raise InvalidInputError(
            f"{first} and {second} would both have the id {id!r}: embed one folder at a time, each "
            "with a --prefix"
        )


def _decode_file(path: Path, data: bytes, encodings: Sequence[str]) -> str:
    try:
        return decode_text(data, encodings)
    except UnicodeError as error:
        raise InvalidInputError(f"Could not decode text in file {path}: it {error}") from error
