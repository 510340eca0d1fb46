"""Makes text of a file's bytes: in which encoding, and whether it is text at all."""

import codecs
import io
import re
from collections.abc import Sequence

# That of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of files that may have no NUL, and few control characters.
_BEGINNINGS = {
    b"%PDF-": "a PDF",
    b"\x89PNG": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"PK\x03\x04": "a ZIP file",
    b"\x1f\x8b": "a gzip file",
}
_CONTROL = re.compile("[\x01-\x06\x0e-\x19\x1c-\x1f\x7f]")
# The share that controls may have. Some formats of text separate fields by them. An encoding of
# single bytes proves little by decoding: of random bytes, a tenth are controls.
_MOST_CONTROLS = 0.3
_MOST_CONTROLS_OF_SINGLE_BYTES = 0.02


def decode(data: bytes, encodings: Sequence[str]) -> str:
    r"""Return the text that the first fitting encoding makes of the data.

    One encoding alone is obeyed. Of several, a byte order mark decides before them, and what looks
    binary is text in none. The mark is no part of the text, and ends of lines become "\n".

    :raises UnicodeError: says, in a clause about "it", why there is no text
    """
    problem = f"is not in {' or '.join(encodings)}"
    guess = len(encodings) > 1
    if guess:
        _check_beginning(data)
        marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
        if marked:
            problem, encodings = f"begins as {marked} does and goes on otherwise", [marked]
    for encoding in encodings:
        try:
            text = io.TextIOWrapper(io.BytesIO(data), encoding).read()
        except UnicodeError:
            continue
        oddity = _oddity(text, encoding) if guess else None
        if oddity is None:
            return text.removeprefix("\ufeff")
        problem = f"{oddity} (an --encoding that is given alone is obeyed)"
    raise UnicodeError(problem)


def _check_beginning(data: bytes) -> None:
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            raise UnicodeError(f"begins like {kind}")


def _oddity(text: str, encoding: str) -> str | None:
    """Return what makes a text look like something binary that happened to be decoded."""
    if "\0" in text:
        return "holds the character NUL"
    is_unicode = codecs.lookup(encoding).name.startswith("utf")
    most = _MOST_CONTROLS if is_unicode else _MOST_CONTROLS_OF_SINGLE_BYTES
    if sum(1 for _ in _CONTROL.finditer(text)) > most * len(text):
        return "is full of control characters"
    return None
