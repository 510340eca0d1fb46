"""Which files of a folder are read: those that a pattern matches, but for what stays out.

A pattern has the meaning that Path.glob() gives it in Python 3.13: "**" is any number of folders,
but goes through no link, and at the end it is all that is below. What a pattern names does not stay
out. As in a shell, a part of it that begins with a dot matches what is hidden. A name without
wildcards matches the folders that stay out by name too, and a path of such names what a .gitignore
names.
"""

import codecs
import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import InvalidInputError
from ..values import surrogate_position
from .patterns import Exclusion, Patterns

LEFT_OUT_BY_EXCLUDE = "by --exclude"
LEFT_OUT_AS_BROKEN_LINK = "linked to nothing"

_GENERATED_FOLDERS = ("node_modules", "__pycache__")
_SIGNS_OF_ENVIRONMENT = ("pyvenv.cfg", "conda-meta/history")
_IS_WILD = re.compile(r"[*?\[]").search


@dataclass
class FoundFiles:
    """What was found in folders.

    Attributes:
        files: by id, which is the path in the folder
        left_out: "file" or "folder", and why, by path; nothing has looked into such a folder
        broken_links: ids of links to nothing
        problems: by path, what keeps files from being found, or one from having an id
        unmatched: patterns of what to exclude that nothing matched
        empty: folders and patterns that nothing matched
    """

    files: dict[str, Path] = field(default_factory=dict)
    left_out: dict[Path, tuple[str, str]] = field(default_factory=dict)
    broken_links: set[str] = field(default_factory=set)
    problems: dict[Path, InvalidInputError] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    empty: list[tuple[str, str]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """How much was found, with what is of no use."""
        others = len(self.left_out) + len(self.broken_links) + len(self.problems)
        return len(self.files) + others


@dataclass(frozen=True)
class _IgnoreFile:
    """A .gitignore, and how what is searched is called in its folder."""

    patterns: Patterns
    below: str = ""  # the path of the searched folder in that of the .gitignore, and a slash
    above: str = ""  # or the other way round

    def judge(self, id: str, is_folder: bool) -> bool | None:
        return self.patterns.judge(self.below + id[len(self.above) :], is_folder)


@dataclass(frozen=True)
class _Folder:
    path: Path
    prefix: str  # of the ids of what is in it
    parts: frozenset[int]  # of the pattern, which may match the names in it
    ignores: tuple[_IgnoreFile, ...]  # the nearest first


@dataclass(frozen=True)
class _Candidate:
    path: Path
    id: str
    matched: frozenset[int]  # parts of the pattern
    mode: int | None  # None for a link to nothing
    is_link: bool

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_folder(self) -> bool:
        return self.mode is not None and stat.S_ISDIR(self.mode)


class FileSearch:
    """The files of a folder that a pattern matches; what else there is goes into a FoundFiles.

    :param exclude: what stays out even if the pattern names it
    :param all: nothing else stays out
    :raises InvalidInputError: the pattern is none
    """

    def __init__(
        self, base: Path, pattern: str, result: FoundFiles, exclude: Exclusion, *, all: bool
    ) -> None:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if not parts or pattern.startswith("/"):
            raise InvalidInputError(
                f"Invalid pattern {pattern!r} for {base}: it must be relative, such as '**/*.txt'"
            )
        self._base = base
        self._parts = [*parts, "*"] if parts[-1] == "**" else parts
        self._only_folders = pattern.endswith("/")
        self._result = result
        self._exclude = exclude
        self._all = all

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        """Yield ids and paths."""
        if self._only_folders:
            return
        folders = [_Folder(self._base, "", self._add_parts_after_stars({0}), ())]
        while folders:
            folder = folders.pop()
            try:
                names = self._list_names(folder)
                folder = self._add_ignores(folder)
            except OSError as error:
                self._note_problem(error)
                continue
            for found in self._find_candidates(names, folder):
                parts = self._find_parts_below(folder, found)
                if found.is_folder:
                    if parts and self._is_chosen(folder, found):
                        below = _Folder(found.path, f"{found.id}/", parts, folder.ignores)
                        folders.append(below)
                elif len(self._parts) - 1 in found.matched and self._is_file(folder, found):
                    yield found.id, found.path

    def _add_parts_after_stars(self, parts: set[int]) -> frozenset[int]:
        """Add to some parts what follows a "**", which may be no folder at all."""
        for part in sorted(parts):
            while self._parts[part] == "**":
                part += 1
                parts.add(part)
        return frozenset(parts)

    def _find_parts_below(self, folder: _Folder, found: _Candidate) -> frozenset[int]:
        """Return the parts of the pattern that may match what is in a folder that was found."""
        after = {part + 1 for part in found.matched if part + 1 < len(self._parts)}
        if not found.is_link:
            after |= {part for part in folder.parts if self._parts[part] == "**"}
        return self._add_parts_after_stars(after)

    def _list_names(self, folder: _Folder) -> set[str]:
        """Return the names that may match; OSError if what is in the folder cannot be known."""
        globs = {self._parts[part] for part in folder.parts}
        names = {glob for glob in globs if not _IS_WILD(glob)}
        if len(names) < len(globs):
            names.update(path.name for path in folder.path.iterdir())
        return names

    def _find_candidates(self, names: set[str], folder: _Folder) -> Iterator[_Candidate]:
        globs = {part: self._parts[part] for part in folder.parts}
        goes_on = "**" in globs.values()
        for name in names:
            matched = frozenset(part for part, glob in globs.items() if _matches_glob(glob, name))
            if matched or goes_on:
                found = self._inspect(folder, name, matched)
                if found:
                    yield found

    def _inspect(self, folder: _Folder, name: str, matched: frozenset[int]) -> _Candidate | None:
        path = folder.path / name
        mode, is_link = None, False
        try:
            is_link = stat.S_ISLNK(path.lstat().st_mode)
            mode = path.stat().st_mode
        except OSError as error:
            is_broken = is_link and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
            if not is_broken:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    self._note_problem(error)
                return None
        return _Candidate(path, folder.prefix + name, matched, mode, is_link)

    def _is_file(self, folder: _Folder, found: _Candidate) -> bool:
        if found.mode is None:
            self._result.left_out[found.path] = ("file", LEFT_OUT_AS_BROKEN_LINK)
            self._result.broken_links.add(found.id)
            return False
        if not stat.S_ISREG(found.mode) or not self._is_chosen(folder, found):
            return False
        if surrogate_position(found.id) is not None:
            self._result.problems[found.path] = InvalidInputError(
                f"The file name {os.fsencode(found.id)!r} in {self._base} is not UTF-8, and cannot "
                "be an id: rename it, or leave it out with --exclude or --on-error skip"
            )
            return False
        return True

    def _is_chosen(self, folder: _Folder, found: _Candidate) -> bool:
        reason = self._find_reason(folder, found)
        if reason:
            kind = "folder" if found.is_folder else "file"
            self._result.left_out[found.path] = (kind, reason)
        return reason is None

    def _find_reason(self, folder: _Folder, found: _Candidate) -> str | None:
        """Return why something stays out."""
        is_own_folder = found.is_folder and not found.is_link
        if self._exclude.judge(found.id, is_own_folder):
            return LEFT_OUT_BY_EXCLUDE
        if self._all:
            return None
        globs = {self._parts[part] for part in found.matched}
        is_named = found.name in globs
        is_dotted = found.name != ".git" and any(glob.startswith(".") for glob in globs)
        if found.name.startswith(".") and not is_named and not is_dotted:
            return "as hidden"
        if found.is_folder and not is_named:
            if found.name in _GENERATED_FOLDERS:
                return f"as {found.name}"
            if any(os.path.lexists(found.path / name) for name in _SIGNS_OF_ENVIRONMENT):
                return "with a virtual environment"
        if found.id != "/".join(self._parts[: found.id.count("/") + 1]):
            for ignore in folder.ignores:
                verdict = ignore.judge(found.id, is_own_folder)
                if verdict is not None:
                    return "by .gitignore" if verdict else None
        return None

    def _read_ignores_above(self) -> tuple[_IgnoreFile, ...]:
        """Return the files above the folder, the nearest first, up to the root of its repository.

        :raises OSError: one of them cannot be read
        """
        here = self._base.resolve()
        folders = [here, *here.parents]
        roots = [folder for folder in folders if os.path.lexists(folder / ".git")]
        if not roots:
            return ()
        above = folders[1 : folders.index(roots[0]) + 1]
        return tuple(
            _IgnoreFile(patterns, below=f"{here.relative_to(folder).as_posix()}/")
            for folder in above
            if (patterns := _read_ignore(folder))
        )

    def _add_ignores(self, folder: _Folder) -> _Folder:
        """Return a folder with its own .gitignore, and that of the search with those above."""
        if self._all:
            return folder
        ignores = folder.ignores if folder.prefix else self._read_ignores_above()
        patterns = _read_ignore(folder.path)
        own = (_IgnoreFile(patterns, above=folder.prefix),) if patterns else ()
        return replace(folder, ignores=own + ignores)

    def _note_problem(self, error: OSError) -> None:
        path = Path(error.filename)
        self._result.problems[path] = make_unreadable_error(path, error)


def make_unreadable_error(path: Path, error: OSError) -> InvalidInputError:
    """Return the error for a file or folder that the system does not let us read."""
    return InvalidInputError(f"{path} cannot be read: {error.strerror or error}")


def _matches_glob(glob: str, name: str) -> bool:
    return glob != "**" and (glob == name or fnmatchcase(name, glob))


def _read_ignore(folder: Path) -> Patterns | None:
    """Return what a folder's .gitignore says; OSError if it is there and cannot be read."""
    try:
        data = (folder / ".gitignore").read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
    text = os.fsdecode(data.removeprefix(codecs.BOM_UTF8))
    return Patterns(line.removesuffix("\r") for line in text.split("\n"))
