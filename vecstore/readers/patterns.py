"""Patterns as a .gitignore has them: whether they name a file or folder."""

import re
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_TRAILING_SPACES = re.compile(r"((?:\\.|[^\\])*?) *", re.DOTALL)
_END_MARK = "\0"  # in no name


class Patterns:
    """The lines of a .gitignore, for paths that are relative to its folder.

    A line that git cannot make sense of is of no effect.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._spec = _compile(list(_drop_invalid(lines)))

    def __len__(self) -> int:
        return len(self._spec)

    def judge(self, path: str, is_folder: bool) -> bool | None:
        """Return whether the last line that is about this very path names it, or takes it back.

        None if no line is about it. A folder's name is not looked at for what is in the folder.
        """
        return self._spec.check_file(f"{path}/{_END_MARK}{'d' if is_folder else 'f'}").include


class Exclusion:
    """Patterns of what to exclude, as in a .gitignore; "./c" is the c in the folder itself.

    Attributes:
        unmatched: those that have named nothing yet, as they were given

    :raises InvalidInputError: one is no pattern
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [(pattern, Patterns([_anchor(pattern)])) for pattern in patterns]
        self.unmatched = [pattern for pattern, _ in self._patterns]
        for pattern, compiled in self._patterns:
            if not compiled:
                raise InvalidInputError(
                    f"Invalid pattern {pattern!r} of --exclude: write it as in a .gitignore, such "
                    "as '*.log' or 'drafts/'"
                )

    def judge(self, path: str, is_folder: bool) -> bool | None:
        """Return what `Patterns.judge()` of all of them does."""
        verdict = None
        for pattern, compiled in self._patterns:
            named = compiled.judge(path, is_folder)
            if named is not None:
                verdict = named
                self.unmatched = [other for other in self.unmatched if other != pattern]
        return verdict


def _anchor(pattern: str) -> str:
    """Return a pattern with "/" for a "./" that it begins with, which git would never match."""
    return re.sub(r"^(!?)(?:\./+)+", r"\1/", pattern)


def _drop_invalid(lines: Iterable[str]) -> Iterator[str]:
    for line in filter(None, map(_to_exact_pattern, lines)):
        try:
            _compile([line])
        except (ValueError, re.error):
            continue
        yield line


def _compile(lines: list[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of re, about "[[]"
        return GitIgnoreSpec.from_lines(lines, backend="simple")


def _to_exact_pattern(line: str) -> str | None:
    """Return a line that matches a path and its end, or None for a comment and what is no pattern.

    pathspec lets a folder's line match all that is in the folder too, so that "!logs/" would take
    back "logs/x.log", which git does not: it goes from folder to folder.
    """
    matched = _TRAILING_SPACES.fullmatch(line)
    pattern = matched[1] if matched else ""
    if not pattern or pattern.startswith("#"):
        return None
    negation = "!" if pattern.startswith("!") else ""
    pattern = pattern.removeprefix("!")
    kind = "d" if pattern.endswith("/") else "?"
    pattern = pattern.removesuffix("/")
    if not pattern:
        return None
    if "/" not in pattern:
        pattern = f"**/{pattern}"
    if pattern.endswith("/**"):
        pattern += "/*"  # what is in the folder, and not the folder
    return f"{negation}/{pattern.removeprefix('/')}/{_END_MARK}{kind}"
