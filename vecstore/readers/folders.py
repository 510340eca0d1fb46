"""Reads the files of folders: which there are, by id, and what is in each."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import InvalidInputError
from .records import OnError, stop


def find_files(folders: Sequence[tuple[str, str]]) -> dict[str, Path]:
    """Return files by id, which is the path in the folder, sorted.

    :param folders: pairs of a folder and a glob pattern
    :raises InvalidInputError: there is no such folder or pattern, or two files would have one id
    """
    found: dict[str, Path] = {}
    for folder, pattern in folders:
        base = Path(folder)
        if not base.is_dir():
            raise InvalidInputError(f"Invalid directory: {folder}")
        for path in _matches(base, pattern):
            id = path.relative_to(base).as_posix()
            _check_same(id, found.setdefault(id, path), path)
    return dict(sorted(found.items()))


def read_files(
    files: Mapping[str, Path],
    encodings: Sequence[str] = ("utf-8", "latin-1"),
    binary: bool = False,
    on_error: OnError = stop,
) -> Iterator[tuple[str, str | bytes]]:
    r"""Yield the id and the text, or with `binary` the bytes, of each file.

    The first encoding that decodes a file counts. Ends of lines become "\n".

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


def _matches(folder: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in folder.glob(pattern) if path.is_file()]
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be searched: {error}") from error
    except (NotImplementedError, ValueError, IndexError) as error:
        raise InvalidInputError(
            f"Invalid pattern {pattern!r} for {folder}: it must be relative, such as '**/*.txt'"
        ) from error


def _check_same(id: str, first: Path, second: Path) -> None:
    if first != second and not first.samefile(second):
        raise InvalidInputError(
            f"{first} and {second} would both have the id {id!r}: embed one folder at a time, each "
            "with a --prefix"
        )


def _decoded(path: Path, data: bytes, encodings: Sequence[str]) -> str:
    failure = None
    for encoding in encodings:
        try:
            return io.TextIOWrapper(io.BytesIO(data), encoding).read()
        except UnicodeError as error:
            failure = error
    raise InvalidInputError(
        f"Could not decode text in file {path}: it is not in {' or '.join(encodings)}"
    ) from failure
