"""Patterns as a .gitignore has them: whether they name a file or folder."""

import re
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_TRAILING_SPACES = re.compile(r"((?:\\.|[^\\])*?) *", re.DOTALL)
_END = "\0"  # in no name


class Patterns:
    """The lines of a .gitignore, for paths that are relative to its folder.

    A line that git cannot make sense of is of no effect.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._spec = _compile(list(_compilable(lines)))

    def __len__(self) -> int:
        return len(self._spec)

    def names(self, path: str, is_folder: bool) -> bool | None:
        """Return whether the last line that is about this very path names it, or takes it back.

        None if no line is about it. A folder's name is not looked at for what is in the folder.
        """
        return self._spec.check_file(f"{path}/{_END}{'d' if is_folder else 'f'}").include


def _compilable(lines: Iterable[str]) -> Iterator[str]:
    for line in filter(None, map(_exact, lines)):
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


def _exact(line: str) -> str | None:
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
    return f"{negation}/{pattern.removeprefix('/')}/{_END}{kind}"
