"""The command `sync`: a collection holds what a source holds, and nothing is deleted by mistake."""

import json
import re
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS, error, output, run, usage_error
from tests.support.loads import Refusing
from tests.support.ordinary_user import as_an_ordinary_user, only_root_is_two_users
from tests.support.terminal import CTRL_C, answer_question

NOTES = [f"{n}.md" for n in range(8)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight notes."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in NOTES:
        (folder / name).write_text(f"text of {name}")
    return folder


@pytest.fixture
def command(registered, database, folder) -> list[object]:
    """The command for the folder."""
    return ["sync", "c", "-d", database, "-m", "words", "--store", "--files", folder, "**/*.md"]


@pytest.fixture
def synced(command, registered) -> list[object]:
    """The same, which was run once."""
    output(*command)
    registered.embedded.clear()
    return command


@pytest.fixture
def stored(database):
    """A function that returns id and content of what is stored."""

    def stored() -> dict[str, str]:
        with closing(vecstore.connect(database, driver="apsw", read_only=True)) as db:
            return dict(db.execute("select id, content from embeddings order by id").fetchall())

    return stored


def test_the_first_sync_is_a_load(command, stored):
    assert output(*command) == "8 embedded, 0 reused, 0 updated, 0 unchanged, 0 deleted\n"
    assert stored() == {name: f"text of {name}" for name in NOTES}


def test_edits_renames_and_deletions_of_a_folder(synced, registered, folder, stored):
    (folder / "0.md").write_text("edited")
    (folder / "1.md").rename(folder / "one.md")
    (folder / "2.md").unlink()
    (folder / "new.md").write_text("a new one")
    assert output(*synced) == "2 embedded, 1 reused, 0 updated, 5 unchanged, 2 deleted\n"
    assert registered.embedded == ["edited", "a new one"]
    assert stored() == {path.name: path.read_text() for path in sorted(folder.iterdir())}
    assert output(*synced) == "0 embedded, 0 reused, 0 updated, 8 unchanged, 0 deleted\n"


def test_rows_and_queries(registered, database, tmp_path, stored):
    rows = tmp_path / "rows.csv"
    common = ["-d", database, "-m", "words", "--store"]
    rows.write_text("id,text\n1,one\n2,two\n3,three\n")
    output("sync", "c", rows, *common)
    rows.write_text("id,text\n1,one\n4,two\n3,changed\n")
    assert output("sync", "c", "-", *common, input=rows.read_bytes()) == (
        "1 embedded, 1 reused, 0 updated, 1 unchanged, 1 deleted\n"
    )
    sql = "select id, content from embeddings where id <> '4'"
    assert output("sync", "c", "--sql", sql, *common).endswith("2 unchanged, 1 deleted\n")
    assert stored() == {"1": "one", "3": "changed"}


def test_a_prefix_is_put_before_each_id_and_limits_what_is_deleted(synced, database, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("id,text\n1,one\n2,two\n3,three\n")
    with_prefix = ["sync", "c", rows, "--prefix", "rows/", "-d", database]
    assert output(*with_prefix) == "3 embedded, 0 reused, 0 updated, 0 unchanged, 0 deleted\n"
    rows.write_text("id,text\n1,one\n3,three\n")
    assert output(*with_prefix) == "0 embedded, 0 reused, 0 updated, 2 unchanged, 1 deleted\n"
    with closing(vecstore.connect(database, driver="apsw")) as db:
        found = vecstore.Collection("c", db).ids()
    assert found == [*NOTES, "rows/1", "rows/3"]


# Chunks


@pytest.fixture
def long_notes(folder) -> Path:
    """The notes, of several lines each, which are chunks of their own."""
    for path in folder.iterdir():
        path.write_text("\n\n".join(f"part {n} of {path.name}" for n in range(3)))
    return folder


@pytest.fixture
def chunked(command, long_notes, registered) -> list[object]:
    """The command with --chunk, which was run once."""
    command = [*command, "--chunk", "20", "--split", "text"]
    report = "24 embedded, 0 reused, 0 updated, 0 unchanged, 0 deleted\n"
    assert output(*command) == f"24 chunks of 8 documents: {report}"
    registered.embedded.clear()
    return command


def test_chunks_of_files_that_were_edited_renamed_and_deleted(
    chunked, registered, long_notes, stored
):
    (long_notes / "0.md").write_text("part 0 of 0.md\n\npart 2 of 0.md")
    (long_notes / "1.md").rename(long_notes / "one.md")
    (long_notes / "2.md").unlink()
    dry = output(*chunked, "--dry-run").splitlines()
    assert dry[0].endswith("7 deleted")
    report = "0 embedded, 4 reused, 1 updated, 15 unchanged, 7 deleted\n"
    assert output(*chunked) == f"20 chunks of 7 documents: {report}"
    assert registered.embedded == []
    texts = {
        f"{path.name}#{n}": part
        for path in long_notes.iterdir()
        for n, part in enumerate(path.read_text().split("\n\n"), start=1)
    }
    assert stored() == dict(sorted(texts.items()))


def test_a_document_that_cannot_be_decoded_keeps_its_chunks(chunked, long_notes, stored):
    (long_notes / "0.md").write_bytes(b"caf\xe9")
    (long_notes / "1.md").unlink()
    result = run(*chunked, "--encoding", "utf-8")
    assert result.stdout.endswith("18 unchanged, 3 deleted\n")
    assert [id for id in stored() if id < "2"] == ["0.md#1", "0.md#2", "0.md#3"]


def test_files_that_were_entries_become_documents(synced, database, folder, stored):
    result = output(*synced, "--chunk", "--split", "text")
    assert result == (
        "8 chunks of 8 documents: 0 embedded, 8 reused, 0 updated, 0 unchanged, 8 deleted\n"
    )
    assert list(stored()) == [f"{name}#1" for name in NOTES]


# More than half


def delete_most(folder: Path) -> None:
    for name in NOTES[:5]:
        (folder / name).unlink()
    (folder / "new.md").write_text("a new one")


MOST = "The source does not have 5 of the 8 entries of 'c', such as '0.md'"


def test_more_than_half_needs_yes_where_nobody_can_be_asked(synced, folder, stored):
    delete_most(folder)
    result = run(*synced)
    assert (result.exit_code, result.stdout) == (
        1,
        "1 embedded, 0 reused, 0 updated, 3 unchanged, 0 deleted\n",
    )
    assert result.stderr == (
        f"Error: {MOST}: nothing was deleted, and all that it has is stored. If the source is "
        "whole, --yes deletes them\n"
    )
    assert len(stored()) == 9
    assert output(*synced, "--yes") == "0 embedded, 0 reused, 0 updated, 4 unchanged, 5 deleted\n"
    assert list(stored()) == [*NOTES[5:], "new.md"]


@pytest.mark.parametrize(
    ("answer", "exit_code", "deleted", "says"),
    [(b"y\n", 0, 5, ""), (b"n\n", 1, 0, "Aborted!\n"), (CTRL_C, 130, 0, "Interrupted\n")],
    ids=["yes", "no", "^C"],
)
def test_more_than_half_asks_in_a_terminal(
    synced, folder, stored, database, answer, exit_code, deleted, says
):
    vecstore.set_default_embedding_model("local")
    delete_most(folder)
    (folder / "new.md").unlink()
    # Of the model that the process does not have, nothing is asked.
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("update collections set model = 'local'")
    arguments = ["sync", "c", "--files", str(folder), "*.md", "-d", str(database), "--store"]
    shown = answer_question([*PROCESS, *arguments], answer)
    assert shown.question.endswith(f"{MOST}. Delete them? [y/N]: ")
    assert shown.exit_code == exit_code
    report = f"0 embedded, 0 reused, 0 updated, 3 unchanged, {deleted} deleted\n"
    assert report in shown.after
    assert shown.after.endswith(says or report)
    assert len(stored()) == 8 - deleted


def test_an_empty_source_needs_yes(synced, folder, stored):
    for name in NOTES:
        (folder / name).unlink()
    assert "8 of the 8 entries" in run(*synced).stderr
    assert len(stored()) == 8
    result = run(*synced, "-y")
    assert (result.exit_code, result.stderr) == (
        0,
        f"There is nothing to embed\nNo file in {folder} matches '**/*.md'\n",
    )
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 0 unchanged, 8 deleted\n"
    assert stored() == {}


def test_an_empty_source_makes_no_collection(registered, database, tmp_path):
    arguments = ["sync", "c", "-d", database, "-m", "words", "--files", tmp_path, "*.md", "--yes"]
    for options in ([], ["--dry-run"]):
        assert run(*arguments, *options).exit_code == 0
        assert not database.exists()


# Sources that may not have been seen whole


def test_a_limit_deletes_nothing(synced, folder, stored):
    (folder / "0.md").unlink()
    result = run(*synced, "--limit", "3")
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 3 unchanged, 0 deleted\n"
    assert result.stderr == (
        "Nothing is deleted: with --limit, the source is not read to its end\n"
    )
    assert len(stored()) == 8


def test_a_file_that_cannot_be_decoded_keeps_its_entry(synced, folder, stored):
    (folder / "0.md").write_bytes(b"caf\xe9")
    (folder / "1.md").unlink()
    strict = [*synced, "--encoding", "utf-8", "--prefix", ""]
    result = run(*strict)
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 6 unchanged, 1 deleted\n"
    assert list(stored()) == ["0.md", *NOTES[2:]]
    (folder / "2.md").unlink()
    assert run(*strict, "--on-error", "skip").stdout.endswith("5 unchanged, 1 deleted\n")
    assert list(stored()) == ["0.md", *NOTES[3:]]


def test_a_file_that_cannot_be_decoded_keeps_its_chunks_where_texts_are_not_split_any_more(
    chunked, folder, stored
):
    (folder / "0.md").write_bytes(b"caf\xe9")
    (folder / "1.md").unlink()
    whole = [*chunked[: chunked.index("--chunk")], "--encoding", "utf-8", "--yes"]
    for arguments in (whole, [*whole, "--on-error", "skip"]):
        run(*arguments)
        assert list(stored()) == ["0.md#1", "0.md#2", "0.md#3", *NOTES[2:]]


def test_a_file_that_cannot_be_decoded_keeps_its_entry_with_a_prefix(
    registered, folder, database, stored
):
    arguments = ["sync", "c", "-d", database, "-m", "words", "--files", folder, "*.md"]
    arguments += ["--prefix", "a/", "--encoding", "utf-8"]
    output(*arguments)
    (folder / "0.md").write_bytes(b"caf\xe9")
    assert run(*arguments).stdout.endswith("7 unchanged, 0 deleted\n")
    assert list(stored()) == [f"a/{name}" for name in NOTES]


def test_a_link_to_nothing_keeps_its_entry(synced, folder, stored):
    (folder / "0.md").unlink()
    (folder / "0.md").symlink_to(folder / "gone")
    (folder / "1.md").unlink()
    assert run(*synced).stdout.endswith("6 unchanged, 1 deleted\n")
    assert list(stored()) == ["0.md", *NOTES[2:]]


@only_root_is_two_users
@pytest.mark.parametrize(("what", "deleted"), [("file", 1), ("folder", 0)], ids=["file", "folder"])
def test_what_cannot_be_read_keeps_its_entries(registered, public_folder, what, deleted):
    database, notes = public_folder / "test.db", public_folder / "notes"
    (notes / "below").mkdir(parents=True)
    for name in ("1.md", "2.md", "3.md", "below/4.md", "below/5.md"):
        (notes / name).write_text(f"text of {name}")
    public_folder.chmod(0o777)
    arguments = ["sync", "c", "-d", database, "-m", "words", "--files", notes, "**/*.md"]
    with as_an_ordinary_user():
        output(*arguments)
    (notes / "1.md").unlink()
    secret = notes / ("2.md" if what == "file" else "below")
    secret.chmod(0)
    with as_an_ordinary_user():
        message = error(*arguments)
        assert message.startswith(f"{secret} cannot be read: Permission denied")
        result = run(*arguments, "--on-error", "skip")
    assert (result.exit_code, f"{deleted} deleted\n" in result.stdout) == (1, True)
    if what == "folder":
        assert f"Nothing is deleted: {secret} could not be read" in result.stderr
    with closing(vecstore.connect(database, driver="apsw")) as db:
        assert len(vecstore.Collection("c", db).ids()) == 5 - deleted


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"id": null, "text": "x"}', "line 2 of .* could not be read, which may be any entry"),
        ('{"id": "\\ud800", "text": "x"}', "an entry that was left out has no id, and may be any"),
    ],
)
def test_a_row_without_an_id_that_is_skipped_deletes_nothing(
    registered, database, tmp_path, stored, row, reason
):
    rows = tmp_path / "rows.jsonl"
    lines = [f'{{"id": {n}, "text": "text {n}"}}' for n in range(4)]
    rows.write_text("\n".join(lines))
    arguments = ["sync", "c", rows, "-d", database, "-m", "words"]
    output(*arguments)
    rows.write_text("\n".join([lines[0], row, *lines[2:]]))
    assert run(*arguments).exit_code == 1
    result = run(*arguments, "--on-error", "skip")
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 3 unchanged, 0 deleted\n"
    [said, skipped] = result.stderr.splitlines()
    assert skipped.startswith("Error: 1 entry was skipped: ")
    assert re.fullmatch(f"Nothing is deleted: {reason}", said)
    assert len(stored()) == 4


def test_an_entry_that_the_model_refuses_is_not_deleted(
    synced, registered, folder, stored, monkeypatch
):
    monkeypatch.setattr(registered, "__class__", Refusing)
    registered.asked = []
    (folder / "0.md").write_text("bad")
    (folder / "1.md").unlink()
    assert "--on-error skip leaves it out" in error(*synced)
    assert len(stored()) == 8
    assert run(*synced, "--on-error", "skip").stdout.endswith("6 unchanged, 1 deleted\n")
    assert list(stored()) == ["0.md", *NOTES[2:]]


def test_a_folder_that_is_not_there_deletes_nothing(synced, folder, stored):
    folder.rename(folder.with_name("moved"))
    result = run(*synced, "--yes")
    assert (result.exit_code, result.stderr) == (2, f"Error: Invalid directory: {folder}\n")
    assert len(stored()) == 8


def test_what_another_process_adds_after_the_source_was_looked_at_stays(
    synced, folder, stored, database, monkeypatch
):
    from vecstore import readers

    found_files = readers.find_files

    def find_files(*args, **kwargs):
        found = found_files(*args, **kwargs)
        with closing(vecstore.connect(database, driver="apsw")) as db:
            vecstore.Collection("c", db).embed("other", "of another process", store=True)
        return found

    monkeypatch.setattr(readers, "find_files", find_files)
    (folder / "0.md").unlink()
    assert output(*synced).endswith("7 unchanged, 1 deleted\n")
    assert list(stored()) == [*NOTES[1:], "other"]


def test_a_collection_that_was_made_anew_meanwhile_loses_nothing(
    synced, folder, database, monkeypatch
):
    from vecstore import readers

    found_files = readers.find_files

    def find_files(*args, **kwargs):
        found = found_files(*args, **kwargs)
        with closing(vecstore.connect(database, driver="apsw")) as db:
            vecstore.Collection("c", db).delete()
            vecstore.Collection("between", db, model_id="words").embed("0.md", "another's")
            vecstore.Collection("c", db, model_id="words").embed("0.md", "another's")
        return found

    monkeypatch.setattr(readers, "find_files", find_files)
    (folder / "0.md").unlink()
    result = run(*synced)
    assert "Collection 'c' was deleted and made anew" in result.stderr
    with closing(vecstore.connect(database, driver="apsw")) as db:
        assert "0.md" in vecstore.Collection("c", db)


def test_an_interrupt_deletes_nothing(server, database, tmp_path):
    rows = tmp_path / "rows.csv"
    lines = [f"{n},text {n}" for n in range(20)]
    rows.write_text("\n".join(["id,text", *lines]))
    arguments = ["sync", "c", str(rows), "-m", "openai/fake", "-d", str(database)]
    subprocess.run([*PROCESS, *arguments], check=True, capture_output=True)
    rows.write_text("\n".join(["id,text", *lines[5:], "last,a new text"]))
    answer = server.answer
    asked = len(server.requests)

    def slowly(request):
        time.sleep(1)
        return answer(request)

    server.answer = slowly
    pipe = subprocess.PIPE
    process = subprocess.Popen([*PROCESS, *arguments], stdout=pipe, stderr=pipe, text=True)
    while len(server.requests) == asked:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with closing(vecstore.connect(database, driver="apsw")) as db:
        assert len(vecstore.Collection("c", db)) == 21
    server.answer = answer
    done = subprocess.run([*PROCESS, *arguments], check=True, capture_output=True, text=True)
    assert done.stdout == "0 embedded, 0 reused, 0 updated, 16 unchanged, 5 deleted\n"


# Dry runs


def test_a_dry_run_counts_and_shows_the_first(synced, registered, folder, stored, database):
    for n in range(20):
        (folder / f"more-{n:02}.md").write_text(f"more {n}")
    output(*synced)
    registered.embedded.clear()
    for n in range(12):
        (folder / f"more-{n:02}.md").unlink()
    (folder / "new.md").write_text("new")
    before = database.read_bytes()
    shown = "".join(f"  'more-{n:02}.md'\n" for n in range(10))
    assert output(*synced, "--dry-run") == (
        "1 new, 0 changed, 0 reused, 0 updated, 16 unchanged, 12 deleted\n"
        f"To embed: 3 characters\nTo delete:\n{shown}  ... and 2 more (--list shows all)\n"
    )
    result = run(*synced, "--dry-run", "--list")
    assert result.stdout == "".join(f"more-{n:02}.md\n" for n in range(12))
    assert result.stderr == (
        "1 new, 0 changed, 0 reused, 0 updated, 16 unchanged, 12 deleted\nTo embed: 3 characters\n"
    )
    assert (registered.embedded, database.read_bytes()) == ([], before)


def test_a_dry_run_lists_what_documents_have_no_more(chunked, long_notes):
    (long_notes / "0.md").write_text("part 0 of 0.md")
    (long_notes / "1.md").write_text("")
    (long_notes / "2.md").unlink()
    gone = ["0.md#2", "0.md#3", *(f"{n}.md#{c}" for n in (1, 2) for c in (1, 2, 3))]
    shown = "".join(f"  '{id}'\n" for id in gone)
    counts = "0 new, 0 changed, 0 reused, 1 updated, 15 unchanged, 8 deleted\nTo embed: nothing\n"
    assert output(*chunked, "--dry-run") == f"{counts}To delete:\n{shown}"
    result = run(*chunked, "--dry-run", "--list")
    assert (result.stdout, result.stderr) == ("".join(f"{id}\n" for id in gone), counts)


def test_a_dry_run_of_a_document_that_comes_twice_lists_what_is_there(
    registered, database, tmp_path, stored
):
    rows = tmp_path / "rows.csv"
    command = ["sync", "c", rows, "-d", database, "-m", "words", "--store", "--chunk", "10"]
    command += ["--batch-size", "1", "--yes"]
    rows.write_text("id,text\n1,one two three\n2,four five six\n")
    output(*command)
    rows.write_text("id,text\n1,one\n1,one two three\n3,seven eight nine\n3,seven\n")
    before = stored()
    listed = run(*command, "--dry-run", "--list").stdout.splitlines()
    run(*command)
    assert listed == sorted(before.keys() - stored().keys()) == ["2#1", "2#2"]


def test_a_dry_run_says_that_a_sync_would_ask(synced, folder):
    delete_most(folder)
    result = run(*synced, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, f"{MOST}: to delete that needs --yes\n")
    assert result.stdout.startswith(
        "1 new, 0 changed, 0 reused, 0 updated, 3 unchanged, 5 deleted\n"
    )


def test_a_dry_run_with_a_limit_deletes_nothing(synced, folder):
    (folder / "0.md").unlink()
    result = run(*synced, "--dry-run", "--limit", "2")
    assert result.stdout.endswith("2 unchanged, 0 deleted\nTo embed: nothing\n")
    assert "Nothing is deleted: with --limit" in result.stderr


def test_a_list_is_that_of_a_dry_run(synced):
    assert usage_error(*synced, "--list") == "--list must be used with --dry-run"


def test_quiet_says_nothing(synced, folder):
    (folder / "0.md").unlink()
    assert output(*synced, "-q") == ""


def test_two_files_with_one_id_are_refused(synced, folder, tmp_path, stored):
    other = tmp_path / "other"
    other.mkdir()
    (other / "0.md").write_text("another")
    result = run(*synced, "--files", other, "*.md")
    assert "would both have the id '0.md'" in result.stderr
    assert len(stored()) == 8


def test_errors_are_listed(synced, folder, tmp_path):
    (folder / "0.md").write_bytes(b"caf\xe9")
    errors = tmp_path / "errors.jsonl"
    run(*synced, "--encoding", "utf-8", "--errors", errors)
    assert [json.loads(line)["id"] for line in errors.read_text().splitlines()] == ["0.md"]
