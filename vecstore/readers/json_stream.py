"""Reads JSON that arrives in pieces: the items of an array, one by one, and single lines.

What is held is one item and one chunk, however long the array.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from ..errors import InvalidInputError

_SPACE = re.compile(r"[ \t\n\r]*")
_SHORT = 65536  # text that is decoded anew whenever more of it has come
# An error this close to the end of what was read may be one of the end alone, as in `-Infinit`.
_LONGEST_TOKEN = 16
_KINDS = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


def read_line(text: str) -> tuple[Any, str | None]:
    """Return the object that a line is, and what is wrong with it, or None."""
    constants: list[str] = []
    try:
        return _judged(json.loads(text, parse_constant=constants.append), constants)
    except json.JSONDecodeError as error:
        return None, f"cannot be read as JSON: {error.msg} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return None, f"cannot be read as JSON: {_reason(error)}"


def read_items(chunks: Iterable[str], name: str) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the line of each item of an array, the object that it is, and what is wrong with it.

    An object on its own is one item, and no text at all is none.

    :param name: what the text is called in errors
    :raises InvalidInputError: the text is not JSON; what follows cannot be read
    """
    text = _Text(chunks, name)
    first = text.next_character()
    if not first:
        return
    if first == "[":
        yield from _array(text)
    elif first == "{":
        yield text.item()
    else:
        text.fail(f"it starts with {first!r}, and must be an array of objects")
    if text.next_character():
        text.fail(
            "there is text after the end of the JSON (if each line is an object of its own, the "
            "format is nl)"
        )


def _array(text: "_Text") -> Iterator[tuple[int, Any, str | None]]:
    text.skip()
    if text.next_character() == "]":
        text.skip()
        return
    while True:
        yield text.item()
        following = text.next_character()
        if following not in (",", "]"):
            text.fail("expecting ',' or ']' after an item" if following else "the array has no end")
        text.skip()
        if following == "]":
            return
        text.next_character()


class _Text:
    """Text of which a part has been read: `_read`, up to `_at` of which is done with."""

    def __init__(self, chunks: Iterable[str], name: str) -> None:
        self._chunks = iter(chunks)
        self._name = name
        self._read = ""
        self._at = 0
        self._line = 1  # that of _counted
        self._counted = 0
        self._ended = False
        self._constants: list[str] = []
        self._decoder = json.JSONDecoder(parse_constant=self._constants.append)

    def next_character(self) -> str:
        """Go past white space, and return the character that is there, or "" at the end."""
        while True:
            self._at = _end_of_space(self._read, self._at)
            if self._at < len(self._read) or self._ended:
                return self._read[self._at : self._at + 1]
            self._read_more(1)

    def skip(self) -> None:
        """Go past one character."""
        self._at += 1

    def item(self) -> tuple[int, Any, str | None]:
        """Decode what is there; return its line, the object, and what is wrong with it."""
        line = self._line_at(self._at)
        value = self._decoded()
        return line, *_judged(value, self._constants)

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        line = self._line_at(self._at if at is None else at)
        raise InvalidInputError(f"{self._name} cannot be read as JSON at line {line}: {reason}")

    def _decoded(self) -> Any:
        while True:
            self._constants.clear()
            try:
                value, end = self._decoder.raw_decode(self._read, self._at)
            except json.JSONDecodeError as error:
                if self._ended and error.pos >= _end_of_text(self._read):
                    self.fail("it ends in the middle of an item", error.pos)
                if self._ended or _is_final(error, len(self._read)):
                    self.fail(error.msg, error.pos)
            except (ValueError, RecursionError) as error:
                self.fail(_reason(error))
            else:
                # A number may go on in what has not been read.
                is_whole = not isinstance(value, int | float)
                if is_whole or self._ended or end + _LONGEST_TOKEN < len(self._read):
                    self._at = end
                    return value
            # To double a long text before it is decoded again keeps the work in proportion to it.
            length = len(self._read) - self._at
            self._read_more(1 if length < _SHORT else length)

    def _read_more(self, length: int) -> None:
        """Read at least that many characters, unless there are fewer; forget what is done with."""
        self._line_at(self._at)
        pieces = [self._read[self._at :]]
        self._at = self._counted = 0
        while length > 0 and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            pieces.append(chunk or "")
            length -= len(pieces[-1])
        self._read = "".join(pieces)

    def _line_at(self, position: int) -> int:
        """Return the line of a position, which is never before the one asked for last."""
        self._line += self._read.count("\n", self._counted, position)
        self._counted = position
        return self._line


def _judged(value: Any, constants: list[str]) -> tuple[Any, str | None]:
    if not isinstance(value, dict):
        return None, f"is {_KINDS.get(type(value), 'a number')}, not an object of columns"
    if constants:
        return None, f"holds {constants[0]}, which is not JSON: null is what has no value"
    return value, None


def _is_final(error: json.JSONDecodeError, length: int) -> bool:
    """Return whether an error would stay, whatever followed."""
    return error.pos < length - _LONGEST_TOKEN and not error.msg.startswith("Unterminated string")


def _reason(error: Exception) -> str:
    """Say why Python does not decode what is JSON."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it holds an integer of too many digits"


def _end_of_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _end_of_text(text: str) -> int:
    return len(text.rstrip(" \t\n\r"))
