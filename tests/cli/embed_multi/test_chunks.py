"""A load that splits what it reads into chunks."""

import json
import sys

import pytest

from tests.support.command import error, run, usage_error
from vecstore.cli import progress as cli_progress

NOTES = {
    "dogs.md": "# Dogs\n\nThey bark.\n\n## Food\n\nMeat and bones.\n",
    "cats.txt": "Cats mew. They drink milk.\n\nThey sleep.\n",
}


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in NOTES.items():
        folder.joinpath(name).write_text(text)
    return folder


def own_metadata(row):
    """Return a stored row's metadata without what every chunk has."""
    return json.loads(row[2]).get("heading")


def test_each_file_is_split_as_its_name_says(load, stored, registered, notes):
    assert load("--files", notes, "*", "--chunk", "25") == (
        "5 chunks of 2 documents: 5 embedded, 0 reused, 0 updated, 0 unchanged, 0 deleted\n"
    )
    assert [
        (id, content, own_metadata((id, content, metadata))) for id, content, metadata in stored()
    ] == [
        ("cats.txt#1", "Cats mew.", None),
        ("cats.txt#2", "They drink milk.", None),
        ("cats.txt#3", "They sleep.", None),
        ("dogs.md#1", "# Dogs\n\nThey bark.", None),
        ("dogs.md#2", "## Food\n\nMeat and bones.", "Dogs"),
    ]
    assert "Dogs\n\n## Food\n\nMeat and bones." in registered.embedded


def test_headings_may_be_left_out_of_what_is_embedded(load, stored, registered, notes):
    load("--files", notes, "*.md", "--chunk", "25", "--no-headings")
    assert registered.embedded == ["# Dogs\n\nThey bark.", "## Food\n\nMeat and bones."]
    assert [own_metadata(row) for row in stored()] == [None, "Dogs"]


def test_the_same_load_again_embeds_what_has_changed(load, stored, registered, notes):
    load("--files", notes, "*", "--chunk", "25")
    registered.embedded.clear()
    assert load("--files", notes, "*", "--chunk", "25") == (
        "5 chunks of 2 documents: 0 embedded, 0 reused, 0 updated, 5 unchanged, 0 deleted\n"
    )
    notes.joinpath("cats.txt").write_text("They drink milk.\n\nThey purr.\n")
    arguments = ["--files", notes, "*", "--chunk=25"]
    assert load(*arguments, "--dry-run") == (
        "0 new, 1 changed, 1 reused, 0 updated, 2 unchanged, 1 deleted\nTo embed: 10 characters\n"
    )
    assert registered.embedded == []
    assert load(*arguments) == (
        "4 chunks of 2 documents: 1 embedded, 1 reused, 0 updated, 2 unchanged, 1 deleted\n"
    )
    assert registered.embedded == ["They purr."]
    assert [row[0] for row in stored()] == ["cats.txt#1", "cats.txt#2", "dogs.md#1", "dogs.md#2"]


def test_a_dry_run_counts_what_the_load_then_embeds(load, database, registered, notes):
    assert load("--files", notes, "*", "--chunk", "25", "--dry-run") == (
        "5 new, 0 changed, 0 reused, 0 updated, 0 unchanged\nTo embed: 84 characters\n"
    )
    assert (registered.embedded, database.exists()) == ([], False)


def test_chunks_of_rows_have_their_metadata(load, stored):
    rows = "id,text,lang\n1,One is here. Two is here.,en\n"
    load("-", "--metadata", "lang", "--chunk", "15", input=rows)
    assert [(id, content, json.loads(metadata)) for id, content, metadata in stored()] == [
        (
            f"1#{number}",
            content,
            {
                "document": "1",
                "chunk": number,
                "chunks": 2,
                "start": start,
                "end": end,
                "lang": "en",
            },
        )
        for number, content, start, end in [(1, "One is here.", 0, 12), (2, "Two is here.", 13, 25)]
    ]


def test_chunks_overlap_and_a_kind_can_be_told(load, stored):
    rows = "id,text\n1,One. Two. Three. Four.\n"
    load("-", "--chunk", "12", "--overlap", "5", input=rows)
    assert [row[1] for row in stored()] == ["One. Two.", "Two. Three.", "Four."]
    rows = json.dumps([{"id": "1", "text": "# A\n\nOne.\n\n# B\n\nTwo."}])
    load("-", "--chunk", "10", "--split", "markdown", input=rows)
    assert [row[1] for row in stored()] == ["# A\n\nOne.", "# B\n\nTwo."]


def test_documents_of_the_same_id_are_counted(registered, database):
    rows = "id,text\n1,One.\n1,Two.\n2,Three.\n"
    result = run("embed-multi", "c", "-", "-m", "words", "-d", database, "--chunk", input=rows)
    assert (result.exit_code, result.stderr, result.stdout) == (
        0,
        "1 of 3 documents had the id of a later one, which was stored\n",
        "2 chunks of 2 documents: 2 embedded, 0 reused, 0 updated, 0 unchanged, 0 deleted\n",
    )


def test_a_document_that_is_refused_is_left_out_whole(refusing, database):
    rows = json.dumps(
        [{"id": 1, "text": "Good one. And two."}, {"id": 2, "text": "Good.\n\nbad one."}]
    )
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database, "--chunk", "10"]
    result = run(*arguments, "--on-error", "skip", input=rows)
    assert (result.exit_code, result.stdout) == (
        1,
        "2 chunks of 1 document: 2 embedded, 0 reused, 0 updated, 0 unchanged, 0 deleted\n",
    )
    assert result.stderr.startswith("Error: 1 entry was skipped: ")


def test_progress_counts_documents(registered, database, notes, monkeypatch):
    monkeypatch.setattr(cli_progress, "SECONDS_A_LINE", 0)
    arguments = ["-m", "words", "-d", database, "--chunk", "6", "--batch-size", "1"]
    result = run("embed-multi", "c", "--files", notes, "*", *arguments)
    assert [line.partition(",")[0] for line in result.stderr.splitlines()] == [
        "1 of 2 documents",
        "2 of 2 documents",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overlap", "1"], "--overlap must be used with --chunk"),
        (["--split", "text"], "--split must be used with --chunk"),
        (["--no-headings"], "--no-headings must be used with --chunk"),
        (
            ["--chunk", "8", "--overlap", "8"],
            "--overlap is 8: it must be less than the size of a chunk, 8",
        ),
        (
            ["--chunk", "--prepend", "x"],
            "--chunk cannot be used with --prepend, which would be in the first chunk alone",
        ),
    ],
)
def test_options_that_contradict_each_other(options, message):
    assert usage_error("embed-multi", "c", "notes.csv", *options) == message


def test_bytes_are_not_split():
    message = usage_error("embed-multi", "c", "--files", ".", "*", "--binary", "--chunk")
    assert message == "--chunk cannot be used with --binary: only text can be split"


@pytest.mark.parametrize("size", ["notes.csv", "0", "-", "1.5", "٣"])
def test_what_follows_chunk_is_not_taken_for_its_size(size):
    message = usage_error("embed-multi", "c", "--chunk", size)
    assert message == (
        f"Invalid value for '--chunk': {size!r} is not a number of characters, 1 or more: write "
        "--chunk=800, or put --chunk behind the other arguments"
    )


def test_without_the_extra_nothing_is_asked_for(registered, database, monkeypatch):
    monkeypatch.setitem(sys.modules, "semantic_text_splitter", None)
    message = error("embed-multi", "c", "-", "-d", database, "--chunk", input="id,text\n1,x\n")
    assert "pip install 'sqlite-vecstore[chunks]'" in message
    assert not database.exists()
