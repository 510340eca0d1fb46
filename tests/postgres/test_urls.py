"""Databases named by a URL: what is opened, and what a message shows of it."""

import pytest

import vecstore
from vecstore.postgres_url import is_url, without_password


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("postgresql://host/db", True),
        ("postgres://host/db", True),
        ("PostgreSQL://host/db", True),
        ("postgresql.db", False),
        ("file.db", False),
        (None, False),
    ],
)
def test_a_url_is_told_from_a_path(name, expected):
    assert is_url(name) is expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgresql://u:secret@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("postgresql://u:se@c/ret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://:secret@h/db", "postgresql://:***@h/db"),
        ("postgresql://h:5432/db?password=secret&a=b", "postgresql://h:5432/db?password=***&a=b"),
        ("postgresql://h/db?a=b&sslpassword=secret", "postgresql://h/db?a=b&sslpassword=***"),
        ("postgresql://u:secret@h1:1,h2:2/db", "postgresql://u:***@h1:1,h2:2/db"),
    ],
)
def test_a_message_shows_no_password(url, shown):
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://u:se%zzcret@localhost/x", vecstore.InvalidInputError),
        ("postgresql://u:secret@127.0.0.1:1/x", vecstore.DatabaseConnectionError),
        ("postgresql://127.0.0.1:1/x?password=secret", vecstore.DatabaseConnectionError),
    ],
)
def test_what_cannot_be_opened_is_an_error_without_the_password(url, error):
    with pytest.raises(error) as caught:
        vecstore.Collection("notes", url, model_id="none")
    assert "postgresql://" in str(caught.value)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "cret" not in str(seen).replace("***", "")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
