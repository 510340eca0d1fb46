"""Files of folders: which are taken, and how they are decoded."""

import json
import os

import pytest

from tests.support.command import error, output, run, usage_error
from tests.support.phrases import pairs


def test_files_of_folders(load, stored, folder):
    load("--files", folder, "**/*.txt", "--files", folder, "**/*.ini", "--prefix", "f:")
    assert pairs(stored()) == [
        ("f:dos.txt", "two\nlines"),
        ("f:nested/odd.ini", "Has weird \x96 character"),
        ("f:nested/two.txt", "two"),
        ("f:one.txt", "one"),
    ]


@pytest.mark.parametrize("encodings", [["cp1252"], ["utf-8", "cp1252"], ["cp1252", "latin-1"]])
def test_the_first_encoding_that_decodes_a_file(load, stored, folder, encodings):
    options = [option for name in encodings for option in ("--encoding", name)]
    load("--files", folder / "nested", "*.ini", *options)
    assert pairs(stored()) == [("odd.ini", "Has weird \u2013 character")]


def test_a_file_that_is_no_text_is_named_and_left_out(registered, database, folder, stored):
    """As llm does it."""
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", folder, "**/*.*"]
    result = run(*arguments, "--encoding", "utf-8")
    path = folder / "nested" / "odd.ini"
    assert result.stderr == (
        f"Could not decode text in file {path}: it is not in utf-8\nLeft out: 1 file as no text\n"
    )
    assert (result.exit_code, len(stored())) == (0, 3)
    result = run(*arguments, "--encoding", "utf-8", "--on-error", "skip")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 1 entry was skipped: Could not decode text in file")


@pytest.fixture
def project(folder):
    """A folder of which much is not meant to be embedded."""
    for name, content in {
        ".gitignore": b"*.log\n/build/\n",
        ".git/config": b"hidden",
        ".env": b"SECRET=1",
        "a.log": b"ignored",
        "b.log": b"ignored",
        "build/out.txt": b"ignored",
        "logo.png": b"\x89PNG\r\n\x1a\n\0",
        "node_modules/x/README.txt": b"of another",
        "utf16.txt": "Größe".encode("utf-16"),
        "zero.bin": b"a\0b",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_is_left_out_of_files_is_counted(registered, database, project, stored):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", project, "**/*"]
    by_default = (
        "2 files as hidden, 2 files by .gitignore, 1 folder as hidden, 1 folder as node_modules, 1 "
        "folder by .gitignore (--all takes these)"
    )
    no_text = (
        f"Could not decode text in file {project / 'logo.png'}: it begins like a PNG\n"
        f"Could not decode text in file {project / 'zero.bin'}: it holds the character NUL (an "
        "--encoding that is given alone is obeyed)\n"
    )
    result = run(*arguments, "--exclude", "dos.*", "--exclude", "nested/", "--dry-run")
    odd = run(*arguments, "--exclude", "c/../x", "--exclude", "/dos", "--exclude", "*", "--dry-run")
    assert odd.stderr.startswith(
        "--exclude 'c/../x', '/dos' left nothing out: patterns are relative to the folder of "
        "--files, and name what is in it\n"
    )
    assert (result.exit_code, result.stderr) == (
        0,
        f"{no_text}Left out: 1 file by --exclude, 1 folder by --exclude, 2 files as no text; "
        f"{by_default}\n",
    )
    result = run(*arguments, "--store")
    assert result.stderr == f"{no_text}Left out: 2 files as no text; {by_default}\n"
    assert result.stdout == "5 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert pairs(stored()) == [
        ("dos.txt", "two\nlines"),
        ("nested/odd.ini", "Has weird \x96 character"),
        ("nested/two.txt", "two"),
        ("one.txt", "one"),
        ("utf16.txt", "Größe"),
    ]
    for quiet in ([], ["--dry-run"]):
        assert run(*arguments, "-q", *quiet).stderr == no_text


def test_all_files(load, stored, project):
    report = load("--files", project, "**/*", "--all", "--encoding", "latin-1")
    assert report == "12 embedded, 2 reused, 0 updated, 0 unchanged\n"
    assert ("zero.bin", "a\0b") in pairs(stored())
    assert (".env", "SECRET=1") in pairs(stored())


def test_that_all_files_were_left_out_is_said(registered, database, project):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", project, "*.log"]
    assert run(*arguments).stderr == (
        "There is nothing to embed\nLeft out: 2 files by .gitignore (--all takes these)\n"
    )
    assert not database.exists()


def test_a_pattern_that_matches_nothing_is_told(registered, database, folder):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", folder]
    assert run(*arguments, "*.rst").stderr == (
        "There is nothing to embed\n"
        f"No file in {folder} matches '*.rst': '**/*.rst' is for those in its folders too\n"
    )
    assert usage_error(*arguments, "--store") == (
        "--files takes a folder and a pattern, such as --files notes '**/*.md', not "
        f"{str(folder)!r} and '--store'"
    )


def test_a_file_name_that_is_not_utf8(registered, database, folder, stored, tmp_path):
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("coffee")
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", folder, "*.txt"]
    expected = (
        f"The file name b'caf\\xe9.txt' in {folder} is not UTF-8, and cannot be an id: rename it, "
        "or leave it out with --exclude or --on-error skip"
    )
    assert error(*arguments) == expected
    assert not database.exists()
    errors = tmp_path / "errors.jsonl"
    result = run(*arguments, "--on-error", "skip", "--errors", errors)
    assert result.stderr == f"Error: 1 entry was skipped: {expected}\n"
    assert [id for id, *_ in stored()] == ["dos.txt", "one.txt"]
    [line] = errors.read_text().splitlines()
    assert json.loads(line) == {"id": f"{folder}/caf\udce9.txt", "error": expected}
    assert output(*arguments, "--exclude", "caf*", "-q") == ""


def test_binary_files(load, stored, folder):
    load("--files", folder / "nested", "*.ini", "--binary")
    assert stored() == [("odd.ini", b"Has weird \x96 character", None)]


def test_a_folder_as_the_path(registered, database, folder):
    message = usage_error("embed-multi", "c", folder, "-m", "words", "-d", database)
    assert message == f"{folder} is a folder: embed what is in it with --files"


def test_a_folder_that_is_not_there(registered, database):
    arguments = ["embed-multi", "c", "-m", "words", "-d", database, "--files", "nowhere", "*.txt"]
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (2, "Error: Invalid directory: nowhere\n")
    assert not database.exists()
