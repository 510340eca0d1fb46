"""Makes text of a file's bytes: in which encoding, and whether it is text at all."""

import codecs
import io
import re
from collections.abc import Sequence

from ..errors import InvalidInputError

# For the files of folders, to try one after the other.
FILE_ENCODINGS = ("utf-8", "latin-1")

# That of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of files that may have no NUL, and few control characters.
_BINARY_BEGINNINGS = {
    b"%PDF-": "a PDF",
    b"\x89PNG": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"PK\x03\x04": "a ZIP file",
    b"\x1f\x8b": "a gzip file",
}
_CONTROL_CHARACTER = re.compile("[\x01-\x06\x0e-\x19\x1c-\x1f\x7f]")
# The share that controls may have. Some formats of text separate fields by them. An encoding of
# single bytes proves little by decoding: of random bytes, a tenth are controls.
_MAX_SHARE_OF_CONTROLS = 0.3
_MAX_SHARE_IN_SINGLE_BYTES = 0.02


def decode_text(data: bytes, encodings: Sequence[str]) -> str:
    r"""Return the text that the first fitting encoding makes of the data.

    One encoding alone is obeyed. Of several, a byte order mark decides before them, and what looks
    binary is text in none. The mark is no part of the text, and ends of lines become "\n".

    :raises UnicodeError: says, in a clause about "it", why there is no text
    """
    problem = f"is not in {' or '.join(encodings)}"
    guess = len(encodings) > 1
    if guess:
        _refuse_binary_beginning(data)
        marked = _find_marked_encoding(data)
        if marked:
            problem, encodings = f"begins as {marked} does and goes on otherwise", [marked]
    for encoding in encodings:
        try:
            text = io.TextIOWrapper(io.BytesIO(data), encoding).read()
        except UnicodeError:
            continue
        oddity = _find_oddity(text, encoding) if guess else None
        if oddity is None:
            return text.removeprefix("\ufeff")
        problem = f"{oddity} (an --encoding that is given alone is obeyed)"
    raise UnicodeError(problem)


def check_encodings(encodings: Sequence[str]) -> None:
    """Raise InvalidInputError for an encoding that Python does not have."""
    for encoding in encodings:
        try:
            "a".encode(encoding)
        except (LookupError, ValueError) as error:
            raise InvalidInputError(
                f"{encoding!r} is not an encoding of text: name one such as utf-8, cp1252 or utf-16"
            ) from error


def _find_marked_encoding(data: bytes) -> str | None:
    return next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)


def _refuse_binary_beginning(data: bytes) -> None:
    for beginning, kind in _BINARY_BEGINNINGS.items():
        if data.startswith(beginning):
            raise UnicodeError(f"begins like {kind}")


def _find_oddity(text: str, encoding: str) -> str | None:
    """Return what makes a text look like something binary that happened to be decoded."""
    if "\0" in text:
        return "holds the character NUL"
    is_unicode = codecs.lookup(encoding).name.startswith("utf")
    most = _MAX_SHARE_OF_CONTROLS if is_unicode else _MAX_SHARE_IN_SINGLE_BYTES
    if sum(1 for _ in _CONTROL_CHARACTER.finditer(text)) > most * len(text):
        return "is full of control characters"
    return None
