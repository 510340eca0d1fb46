"""Reads JSON that arrives in pieces: the items of a list, one by one, and single lines.

What is held is one item and one chunk, however long the list.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from ..errors import InvalidInputError
from ..values import quote
from .streams import describe_undecoded

_SPACE = re.compile(r"[ \t\n\r]*")
_SHORT_CHARACTERS = 65536  # of text that is decoded anew whenever more of it has come
# An error this close to the end of what was read may be one of the end alone, as in `-Infinit`.
_MAX_TOKEN_CHARACTERS = 16
_MAX_LISTS_SHOWN = 5  # in a message
_KINDS_OF_JSON = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
}


def read_line(text: str) -> tuple[Any, str | None]:
    """Return the object that a line is, and what is wrong with it, or None."""
    constants: list[str] = []
    try:
        return _check_object(json.loads(text, parse_constant=constants.append), constants)
    except json.JSONDecodeError as error:
        return None, f"cannot be read as JSON: {error.msg} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return None, f"cannot be read as JSON: {_explain_decode_error(error)}"


def read_items(
    chunks: Iterable[str], name: str, rows: str | None = None, encoding: str = "utf-8"
) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the line of each item of an array, the object that it is, and what is wrong with it.

    An object on its own is one item, and no text at all is none. Arrays and objects may follow each
    other.

    :param name: what the text is called in errors
    :param rows: the list of each object whose items are taken, by its key, as "results" or
        "data.items"
    :raises InvalidInputError: the text is not JSON; what follows cannot be read
    """
    text = _JsonText(chunks, name, encoding)
    is_first = True
    while first := text.next_character():
        if first == "[":
            yield from _read_array(text, rows)
        elif first == "{":
            yield from _read_element(text, rows)
        elif is_first:
            text.fail(f"it starts with {first!r}, and must be an array of objects")
        else:
            text.fail(f"it goes on with {first!r}: only an array or an object can follow another")
        is_first = False


def find_lists(kind: type, value: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Yield the name, as "data.items", and the length of each list in an object of that kind.

    :param kind: of one of its items at least: dict, list, or object for any
    """
    found = deque([(name, value)])
    while found:
        name, value = found.popleft()
        if isinstance(value, list) and any(isinstance(item, kind) for item in value):
            yield name, len(value)
        elif isinstance(value, dict):
            inside = f"{name}." if name else ""
            found += [(inside + key, item) for key, item in value.items()]


def describe_lists(lists: Sequence[tuple[str, int]]) -> str:
    """Return the names and lengths of lists, of the first ones if there are many."""
    found = ", ".join(f"{quote(name)} ({length:,})" for name, length in lists[:_MAX_LISTS_SHOWN])
    more = len(lists) - _MAX_LISTS_SHOWN
    return f"{found} and {more:,} more" if more > 0 else found


def _read_array(
    text: "_JsonText", rows: str | None = None
) -> Iterator[tuple[int, Any, str | None]]:
    text.skip()
    if text.next_character() == "]":
        text.skip()
        return
    while True:
        yield from _read_element(text, rows)
        if text.skip_separator("]", "an item", "the array"):
            return


def _read_element(text: "_JsonText", rows: str | None) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the item that is there, or with `rows` those of a list in it."""
    if rows is None or text.next_character() != "{":
        yield text.read_item()
        return
    line, others = text.line_number(), _OtherValues()
    yield from _read_list_within(text, rows, "", others)
    if not others.is_found:
        yield line, None, others.describe_missing(rows)


def _read_list_within(
    text: "_JsonText", rows: str, inside: str, others: "_OtherValues"
) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the items of a list in the object that is there, and take note of what else it has."""
    text.skip()
    if text.next_character() == "}":
        text.skip()
        return
    while True:
        name = inside + text.read_key()
        first = text.next_character()
        if name == rows and first == "[":
            others.is_found = True
            yield from _read_array(text)
        elif rows.startswith(f"{name}.") and first == "{":
            yield from _read_list_within(text, rows, f"{name}.", others)
        else:
            others.add(name, text.read_value(), is_asked_for=name == rows)
        if text.skip_separator("}", "a value", "the object"):
            return


class _OtherValues:
    """What an object has besides the list that is looked for.

    Attributes:
        is_found: whether that list was there
    """

    def __init__(self) -> None:
        self.is_found = False
        self._kind: str | None = None
        self._lists: list[tuple[str, int]] = []

    def add(self, name: str, value: Any, is_asked_for: bool) -> None:
        self._lists += find_lists(dict, value, name)
        if is_asked_for:
            self._kind = _name_kind(value)

    def describe_missing(self, rows: str) -> str:
        found = describe_lists(self._lists)
        there = (
            f"its lists of objects are {found}" if found else "there is no list of objects in it"
        )
        if self._kind:
            return f"has {self._kind} in {quote(rows)}, not a list for --rows: {there}"
        return f"has no list {quote(rows)} for --rows: {there}"


class _JsonText:
    """Text of which a part has been read: `_read`, up to `_at` of which is done with."""

    def __init__(self, chunks: Iterable[str], name: str, encoding: str) -> None:
        self._chunks = iter(chunks)
        self._name = name
        self._encoding = encoding
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
            self._at = _find_end_of_space(self._read, self._at)
            if self._at < len(self._read) or self._ended:
                return self._read[self._at : self._at + 1]
            self._read_more(1)

    def skip(self) -> None:
        """Go past one character."""
        self._at += 1

    def skip_separator(self, end: str, before: str, whole: str) -> bool:
        """Go past a comma, or past the end of an array or object; return whether it was the end."""
        character = self.next_character()
        if character not in (",", end):
            self.fail(
                f"expecting ',' or {end!r} after {before}" if character else f"{whole} has no end"
            )
        self.skip()
        if character == ",":
            self.next_character()
        return character == end

    def line_number(self) -> int:
        return self._line_at(self._at)

    def read_key(self) -> str:
        """Decode a key and go past its colon."""
        if self.next_character() not in ('"', ""):
            self.fail("expecting a key in double quotes")
        key: str = self.read_value()
        if self.next_character() != ":":
            self.fail("expecting ':' after a key")
        self.skip()
        return key

    def read_value(self) -> Any:
        """Decode what is there."""
        return self._decode()[0]

    def read_item(self) -> tuple[int, Any, str | None]:
        """Decode what is there; return its line, the object, and what is wrong with it."""
        line = self.line_number()
        value, written = self._decode()
        problem = describe_undecoded(written, self._encoding)
        return (line, None, problem) if problem else (line, *_check_object(value, self._constants))

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        end = self._at if at is None else at
        line = self._line_at(end)
        problem = describe_undecoded(self._read[self._at : end + 1], self._encoding)
        if problem:
            raise InvalidInputError(f"line {line} of {self._name} {problem}")
        raise InvalidInputError(f"{self._name} cannot be read as JSON at line {line}: {reason}")

    def _decode(self) -> tuple[Any, str]:
        """Return a value, and how it is written."""
        while True:
            self._constants.clear()
            try:
                value, end = self._decoder.raw_decode(self._read, self._at)
            except json.JSONDecodeError as error:
                if self._ended and error.pos >= _find_end_of_text(self._read):
                    self.fail("it ends in the middle of an item", error.pos)
                if self._ended or _is_final(error, len(self._read)):
                    self.fail(error.msg, error.pos)
            except (ValueError, RecursionError) as error:
                self.fail(_explain_decode_error(error))
            else:
                # A number may go on in what has not been read.
                is_whole = not isinstance(value, int | float)
                if is_whole or self._ended or end + _MAX_TOKEN_CHARACTERS < len(self._read):
                    written = self._read[self._at : end]
                    self._at = end
                    return value, written
            # To double a long text before it is decoded again keeps the work in proportion to it.
            length = len(self._read) - self._at
            self._read_more(1 if length < _SHORT_CHARACTERS else length)

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


def _check_object(value: Any, constants: list[str]) -> tuple[Any, str | None]:
    if not isinstance(value, dict):
        return None, f"is {_name_kind(value)}, not an object of columns"
    if constants:
        return None, f"holds {constants[0]}, which is not JSON: null is what has no value"
    return value, None


def _name_kind(value: Any) -> str:
    return _KINDS_OF_JSON.get(type(value), "a number")


def _is_final(error: json.JSONDecodeError, length: int) -> bool:
    """Return whether an error would stay, whatever followed."""
    is_far = error.pos < length - _MAX_TOKEN_CHARACTERS
    return is_far and not error.msg.startswith("Unterminated string")


def _explain_decode_error(error: Exception) -> str:
    """Say why Python does not decode what is JSON."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it holds an integer of too many digits"


def _find_end_of_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _find_end_of_text(text: str) -> int:
    return len(text.rstrip(" \t\n\r"))
