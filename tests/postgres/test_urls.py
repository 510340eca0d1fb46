"""Databases named by a URL: what is opened, and what a message shows of it."""

from pathlib import Path

import pytest

import vecstore
from tests.support.command import error
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
        ("postgresql://h/db?password=sec ret&a=b", "postgresql://h/db?password=***&a=b"),
        ("postgresql://h/db?pass%77ord=secret", "postgresql://h/db?pass%77ord=***"),
        ("postgresql://h/db?oauth_client_secret=s", "postgresql://h/db?oauth_client_secret=***"),
        ("postgresql://h/db?scram_client_key=secret", "postgresql://h/db?scram_client_key=***"),
        ("postgresql://h/db?passfile=name", "postgresql://h/db?passfile=name"),
    ],
)
def test_a_message_shows_no_password(url, shown):
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://u:se%zzcret@localhost/x", vecstore.InvalidInputError),
        ("postgresql://u:secret@127.0.0.1:1/x", vecstore.DatabaseConnectionError),
        ("postgresql://127.0.0.1:1/x?password=secret", vecstore.DatabaseConnectionError),
        ("postgresql://u:a@cret/a@127.0.0.1:1/x", vecstore.DatabaseConnectionError),
        ("postgresql://u:a/cret@127.0.0.1:1/x", vecstore.VecstoreError),
    ],
)
def test_what_cannot_be_opened_is_an_error_without_the_password(url, kind):
    with pytest.raises(kind) as caught:
        vecstore.Collection("notes", url, model_id="none")
    assert "postgresql://" in str(caught.value)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "cret" not in str(seen).replace("***", "")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


@pytest.mark.parametrize(
    "work",
    [
        vecstore.check,
        vecstore.compact,
        vecstore.connect,
        vecstore.build_index,
        vecstore.list_indexes,
        lambda url: vecstore.backup(url, "copy.db"),
        lambda url: vecstore.backup(":memory:", url),
        lambda url: vecstore.move_index(url, "beside"),
    ],
)
def test_what_is_for_files_refuses_a_url_without_its_password(work):
    with pytest.raises(vecstore.DatabaseError) as caught:
        work("postgresql://ann:secret@127.0.0.1:1/pets")
    assert str(caught.value) == (
        "postgresql://ann:***@127.0.0.1:1/pets is a PostgreSQL database, and this is for SQLite "
        "files: Collection(NAME, URL), and the commands 'vecstore check' and 'vecstore index', "
        "take it"
    )


def test_a_server_that_does_not_answer_is_named_with_what_to_do():
    with pytest.raises(vecstore.DatabaseConnectionError) as caught:
        vecstore.Collection("notes", "postgresql://127.0.0.1:1/x", model_id="none")
    message = str(caught.value)
    assert message.startswith("postgresql://127.0.0.1:1/x cannot be opened (connection failed: ")
    assert message.endswith("): correct the URL, or try again when the server answers")


def test_a_parameter_that_libpq_does_not_know_is_hinted_at():
    with pytest.raises(vecstore.InvalidInputError) as caught:
        vecstore.Collection("notes", "postgresql://127.0.0.1:1/x?no_such=1", model_id="none")
    assert str(caught.value).endswith("and after ? what libpq has parameters for")


NEARLY = [
    "postgresql+psycopg://ann:secret@127.0.0.1:1/pets",
    "postgres:/ann:secret@127.0.0.1:1/pets",
    "PostgreSQL:/ann:secret@127.0.0.1:1/pets",
    Path("postgresql://ann:secret@127.0.0.1:1/pets"),
]
NOT_QUITE = (
    "A database is named by what is not quite the URL of one in PostgreSQL: it is text that begins "
    "with postgresql://, such as postgresql://user@host/name"
)


@pytest.mark.parametrize("name", NEARLY)
@pytest.mark.parametrize(
    "work",
    [
        lambda name: vecstore.Collection("notes", name),
        lambda name: vecstore.Collection("notes", name, model_id="none"),
        lambda name: vecstore.Collection.exists(name, "notes"),
        vecstore.check,
        vecstore.connect,
        lambda name: vecstore.export_collection(name, "notes", "notes.jsonl"),
        lambda name: vecstore.push_collections("notes.db", name),
        lambda name: vecstore.pull_collections(name, "notes.db"),
    ],
)
def test_what_is_nearly_a_url_is_no_file_and_is_not_shown(name, work, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vecstore.InvalidInputError) as caught:
        work(name)
    assert str(caught.value) == NOT_QUITE
    assert not [*tmp_path.glob("*ann*"), *tmp_path.glob("*ostgres*"), *tmp_path.glob("notes*")]


@pytest.mark.parametrize(
    "command",
    [
        ["collections", "list", "-d", "DB"],
        ["check", "DB"],
        ["embed", "notes", "1", "-c", "text", "-d", "DB"],
        ["push", "notes.db", "DB"],
        ["pull", "DB", "notes.db"],
        ["postgres", "distribute", "DB"],
    ],
)
def test_no_command_shows_what_is_nearly_a_url(command):
    assert error(*(NEARLY[0] if arg == "DB" else arg for arg in command)) == NOT_QUITE


def test_the_variable_may_not_be_nearly_a_url(monkeypatch):
    monkeypatch.setenv("VECSTORE_DB", NEARLY[0])
    assert error("collections", "list") == NOT_QUITE
    assert error("check") == NOT_QUITE
