"""The options of `vecstore embed-multi` that say how documents are split into chunks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from .. import splitting
from ..splitting import DEFAULT_SIZE, KINDS, Chunk, Kind
from .input_options import InputOptions
from .options import Command, add_options, gather_options


def _size(value: Any) -> int:
    """Return a number of characters. What follows --chunk and is none was meant otherwise."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text)):
        raise click.BadParameter(
            f"{text!r} is not a number of characters, 1 or more: write --chunk={DEFAULT_SIZE}, or "
            "put --chunk behind the other arguments"
        )
    return int(text)


_OPTIONS = (
    click.option(
        "--chunk",
        type=_size,
        is_flag=False,
        flag_value=DEFAULT_SIZE,
        metavar="[SIZE]",
        help="Embed chunks of the texts, of at most SIZE characters, by default "
        f"{DEFAULT_SIZE:,}. Their ids become ID#1, ID#2 and so on.",
    ),
    click.option(
        "--overlap",
        type=click.IntRange(0),
        metavar="N",
        help="Characters of the end of a chunk, at most, that the next one begins with.",
    ),
    click.option(
        "--split",
        type=click.Choice(KINDS),
        help="How to split into chunks. By default as the id says: markdown if it ends in .md, "
        "code in .py, for instance, text in another way.",
    ),
    click.option(
        "--no-headings",
        is_flag=True,
        help="Embed a chunk without the headings that are above it in Markdown and .rst.",
    ),
)


@dataclass(frozen=True)
class ChunkOptions:
    """The options as they were given."""

    chunk: int | None
    overlap: int | None
    split: Kind | None
    no_headings: bool

    @property
    def is_given(self) -> bool:
        """Whether texts are to be split."""
        return self.chunk is not None

    def refuse_conflicts(self, input: InputOptions) -> None:
        """Raise UsageError for options that contradict each other, or what is read.

        :raises MissingPackageError: the extra is not installed
        """
        for is_wrong, message in self._find_conflicts(input):
            if is_wrong:
                raise click.UsageError(message)
        if self.is_given:
            splitting.require_splitter(**self.splitter_arguments())

    def splitter_arguments(self) -> dict[str, Any]:
        """Return what says how to split, as Collection.embed_documents() takes it."""
        return {"splitter": self.split, "size": self.chunk, "overlap": self.overlap or 0}

    def make_split(self) -> Callable[[str, str], list[Chunk]]:
        """Return a function that splits a document, of its id and its text."""
        return partial(splitting.split, **self.splitter_arguments())

    def _find_conflicts(self, input: InputOptions) -> Iterator[tuple[object, str]]:
        """Yield what is wrong with the options, if it is, and the message."""
        given = {
            "--overlap": self.overlap is not None,
            "--split": self.split,
            "--no-headings": self.no_headings,
        }
        for name, is_given in given.items():
            yield is_given and not self.is_given, f"{name} must be used with --chunk"
        size = self.chunk or 0
        yield (
            self.is_given and self.overlap is not None and self.overlap >= size,
            f"--overlap is {self.overlap}: it must be less than the size of a chunk, {size}",
        )
        yield (
            self.is_given and input.binary,
            "--chunk cannot be used with --binary: only text can be split",
        )
        yield (
            self.is_given and input.vector_column,
            "--chunk cannot be used with --vector, which is that of a whole text",
        )
        yield (
            self.is_given and input.prepend,
            "--chunk cannot be used with --prepend, which would be in the first chunk alone",
        )


def add_chunk_options(command: Command) -> Command:
    """Add the options to a command, which gets them as `chunks`, a ChunkOptions."""
    return add_options(gather_options(command, "chunks", ChunkOptions), _OPTIONS)
