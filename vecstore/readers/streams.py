"""Makes text of the bytes of a file or pipe as they come in: unzipped, decoded, in lines.

Bytes that do not decode become lone surrogates, as no text has them: whoever makes a row of them
asks `describe_undecoded()`, and can leave that row out alone.
"""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice, tee
from typing import Any, BinaryIO

from ..errors import InvalidInputError

_CHUNK_BYTES = 65536
_GZIP_BEGINNING = b"\x1f\x8b\x08"
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class RewindableStream(io.RawIOBase):
    """A stream whose beginning can be read twice: what was read until `rewind()` comes again."""

    def __init__(self, stream: BinaryIO) -> None:
        # read() of a pipe waits for all that is asked.
        self._read = getattr(stream, "read1", stream.read)
        self._seen = bytearray()
        self._again = b""
        self._is_recording = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        if self._again:
            data, self._again = self._again[:size], self._again[size:]
        else:
            data = self._read(size)
            if self._is_recording:
                self._seen += data
        buffer[: len(data)] = data
        return len(data)

    def rewind(self) -> None:
        """Go back to the beginning, for the last time."""
        self._again = bytes(self._seen)
        self._seen.clear()
        self._is_recording = False


def read_text(stream: BinaryIO, name: str, encoding: str) -> Iterator[str]:
    """Yield the text of a stream, as much as is there each time, without a byte order mark.

    :param name: what the stream is called in errors
    :raises InvalidInputError: what follows cannot be unzipped, or not at all be decoded
    """
    # Not translating, this one does no more than keep "\r" and "\n" together.
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)("surrogateescape"), translate=False
    )
    mark, line = "\ufeff", 1
    for data in _read_unzipped(stream, name):
        problem = ""
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as error:  # an encoding without bytes to escape, such as utf-16
            text = _decode_beginning(decoder, data, error)
            problem = _name_encoding(encoding, getattr(error, "reason", str(error)))
        if text:
            yield text.removeprefix(mark)
            mark = ""
            line += text.count("\n")
        if problem:
            raise InvalidInputError(f"line {line} of {name} {problem}")


def describe_undecoded(text: str, encoding: str) -> str | None:
    """Return what is wrong with text in which bytes did not decode, or None."""
    if text.isascii() or not _SURROGATE.search(text):
        return None
    try:
        text.encode(encoding, "surrogateescape").decode(encoding)
        reason = "invalid bytes"
    except UnicodeError as error:
        reason = getattr(error, "reason", str(error))
    return _name_encoding(encoding, reason)


def read_lines(chunks: Iterable[str], newline: str) -> Iterator[str]:
    r"""Yield lines with their ends: "\n", and where `newline` is "" also "\r" and "\r\n"."""
    ends = ("\n",) if newline else ("\n", "\r")
    pieces = []
    for chunk in chunks:
        for piece in io.StringIO(chunk, newline=newline):
            pieces.append(piece)
            if piece.endswith(ends):
                yield "".join(pieces)
                pieces.clear()
    if pieces:
        yield "".join(pieces)


def peek_lines(chunks: Iterator[str], number: int) -> tuple[list[str], Iterator[str]]:
    """Return that many lines that are not blank, "" for those that are not there; and all chunks.

    No more is read than the chunk in which they end.
    """
    chunks, ahead = tee(chunks)
    lines = list(islice((line for line in read_lines(ahead, "") if line.strip()), number))
    return lines + [""] * (number - len(lines)), chunks


def _read_unzipped(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield bytes as they come in, unzipped if they are those of gzip, and b"" at the end."""
    start = RewindableStream(stream)
    is_gzip = _starts_with(start, _GZIP_BEGINNING)
    start.rewind()
    if not is_gzip:
        yield from _read_all(start.read)
        return
    with gzip.GzipFile(fileobj=start, mode="rb") as unzipped:
        try:
            yield from _read_all(unzipped.read1)
        except EOFError:
            raise InvalidInputError(
                f"{name} is a gzip file that ends too early: part of it is missing"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InvalidInputError(f"{name} is a gzip file that is damaged: {error}") from error


def _read_all(read: Any) -> Iterator[bytes]:
    while data := read(_CHUNK_BYTES):
        yield data
    yield b""


def _starts_with(stream: io.RawIOBase, expected: bytes) -> bool:
    """Return whether a stream starts like that; read no further than that needs."""
    found = b""
    while len(found) < len(expected) and expected.startswith(found):
        data = stream.read(len(expected) - len(found))
        if not data:
            return False
        found += data
    return found == expected


def _name_encoding(encoding: str, reason: str) -> str:
    return f"is not {encoding}: name its encoding with --encoding ({reason})"


def _decode_beginning(decoder: Any, data: bytes, error: UnicodeError) -> str:
    """Return the text before what cannot be decoded."""
    if not isinstance(error, UnicodeDecodeError):
        return ""
    # `object` may begin with bytes that were left over from earlier data; it ends as `data` does.
    length = max(0, len(data) - (len(error.object) - error.start))
    text: str = decoder.decode(data[:length])
    return text
