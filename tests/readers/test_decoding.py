"""decode_text(): which bytes are text, and in which encoding."""

import codecs

import pytest

from vecstore.readers.decoding import decode_text

DEFAULT = ("utf-8", "latin-1")
ALONE = "(an --encoding that is given alone is obeyed)"


def why_not(data: bytes, encodings=DEFAULT) -> str:
    with pytest.raises(UnicodeError) as caught:
        decode_text(data, encodings)
    return str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        "Größe\r\nund 1 €".encode(),
        codecs.BOM_UTF8 + "Größe\nund 1 €".encode(),
        "Größe\rund 1 €".encode("utf-16"),
        codecs.BOM_UTF16_LE + "Größe\nund 1 €".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Größe\r\nund 1 €".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "Größe\nund 1 €".encode("utf-32-le"),
        codecs.BOM_UTF32_BE + "Größe\nund 1 €".encode("utf-32-be"),
    ],
)
def test_text_of_unicode_is_decoded_and_has_no_byte_order_mark(data):
    assert decode_text(data, DEFAULT) == "Größe\nund 1 €"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (codecs.BOM_UTF16_LE, ""),
        (b"Gr\xf6\xdfe \x96 cp1252", "Größe \x96 cp1252"),
        (b"Gr\xf6\xdfe, and one \x02 in " + b"much " * 20 + b"text", None),
        (b"\x1b[1mbold\x1b[0m\n", None),
        (b"page\x0cpage\x1a", None),
        (b"8=FIX.4.2\x019=12\x0135=A\x01", None),
    ],
)
def test_text_stays_text(data, text):
    assert decode_text(data, DEFAULT) == (data.decode("latin-1") if text is None else text)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n", "begins like a PNG"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "begins like a PDF"),
        (b"\xff\xd8\xff\xe0", "begins like a JPEG"),
        (b"PK\x03\x04\x14\x02", "begins like a ZIP file"),
        (b"\x1f\x8b\x08", "begins like a gzip file"),
        (b"SQLite format 3\0", f"holds the character NUL {ALONE}"),
        ("Größe".encode("utf-16-le"), f"holds the character NUL {ALONE}"),
        (b"\xff\xfea\0\0\0", f"holds the character NUL {ALONE}"),
        (bytes(range(1, 256)), f"is full of control characters {ALONE}"),
        (b"\x01\x02\x03\x04text", f"is full of control characters {ALONE}"),
        (b"\xff\xfea", "begins as utf-16 does and goes on otherwise"),
        (b"\xef\xbb\xbf\xff", "begins as utf-8 does and goes on otherwise"),
    ],
)
def test_what_is_binary_is_no_text(data, reason):
    assert why_not(data) == reason


def test_the_first_encoding_that_makes_text_counts():
    assert decode_text("Größe".encode("utf-16-le"), ["utf-8", "utf-16-le"]) == "Größe"
    assert why_not(b"\xff", ["utf-8", "ascii"]) == "is not in utf-8 or ascii"


def test_one_encoding_alone_is_obeyed():
    assert decode_text(b"%PDF-\0\x01\xff", ["latin-1"]) == "%PDF-\0\x01ÿ"
    assert decode_text(b"a\0b", ["utf-8"]) == "a\0b"
    assert decode_text("Größe".encode("utf-16-le"), ["utf-16-le"]) == "Größe"
    assert why_not(b"\xff", ["utf-8"]) == "is not in utf-8"
