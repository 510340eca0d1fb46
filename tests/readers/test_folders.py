"""find_files() and read_files(): folders as ids and texts."""

import os

import pytest

from vecstore.errors import InvalidInputError
from vecstore.readers import FoundFiles, find_files, read_files


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "docs"
    (folder / "sub" / "x.txt").mkdir(parents=True)
    (folder / "b.txt").write_bytes(b"b\r\nb")
    (folder / "a.txt").write_bytes(b"a")
    (folder / "sub" / "c.txt").write_bytes(b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe")
    (folder / "d.md").write_bytes(b"Gr\xf6\xdfe")
    os.mkfifo(folder / "pipe.txt")
    return folder


def test_files_are_found_by_their_path_in_the_folder(folder):
    assert list(find_files([(str(folder), "**/*.txt")]).files.items()) == [
        ("a.txt", folder / "a.txt"),
        ("b.txt", folder / "b.txt"),
        ("sub/c.txt", folder / "sub" / "c.txt"),
    ]
    nothing = (str(folder), "*.none")
    assert find_files([nothing, (str(folder), "*.txt")]).empty == [nothing]
    assert find_files([nothing]) == FoundFiles(empty=[nothing])


def test_a_file_that_is_found_twice_counts_once(folder):
    twice = [(str(folder), "*.txt"), (f"{folder.parent}/docs/../docs", "a*"), (str(folder), "*.md")]
    assert list(find_files(twice).files) == ["a.txt", "b.txt", "d.md"]


def test_two_files_of_one_id_are_refused(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("another")
    with pytest.raises(InvalidInputError) as caught:
        find_files([(str(folder), "*.txt"), (str(other), "*.txt")])
    assert str(caught.value) == (
        f"{folder / 'a.txt'} and {other / 'a.txt'} would both have the id 'a.txt': embed one "
        "folder at a time, each with a --prefix"
    )


def test_a_folder_that_is_not_there_is_refused(folder):
    for name in (str(folder / "nothing"), str(folder / "a.txt")):
        with pytest.raises(InvalidInputError) as caught:
            find_files([(name, "*")])
        assert str(caught.value) == f"Invalid directory: {name}"


@pytest.mark.parametrize("pattern", ["", ".", "/etc/*"])
def test_a_pattern_that_is_none_is_refused(folder, pattern):
    with pytest.raises(InvalidInputError) as caught:
        find_files([(str(folder), pattern)])
    assert str(caught.value) == (
        f"Invalid pattern {pattern!r} for {folder}: it must be relative, such as '**/*.txt'"
    )


def test_files_are_read_as_text_in_the_first_encoding_that_decodes_them(folder):
    assert list(read_files(find_files([(str(folder), "**/*.*")]).files)) == [
        ("a.txt", "a"),
        ("b.txt", "b\nb"),
        ("d.md", "Größe"),
        ("sub/c.txt", "Größe"),
    ]


def test_files_are_read_as_bytes(folder):
    assert list(read_files(find_files([(str(folder), "*.*")]).files, binary=True)) == [
        ("a.txt", b"a"),
        ("b.txt", b"b\r\nb"),
        ("d.md", b"Gr\xf6\xdfe"),
    ]


def test_files_that_cannot_be_read_can_be_left_out(folder):
    files = find_files([(str(folder), "*.*")]).files
    (folder / "b.txt").unlink()
    files["sub"] = folder / "sub"
    problems = []
    found = read_files(files, ["utf-8", "ascii"], on_unreadable=lambda *args: problems.append(args))
    assert list(found) == [("a.txt", "a")]
    assert [(id, type(error), str(error)) for id, error in problems] == [
        (id, InvalidInputError, f"{message}")
        for id, message in [
            ("b.txt", f"{folder / 'b.txt'} cannot be read: No such file or directory"),
            (
                "d.md",
                f"Could not decode text in file {folder / 'd.md'}: it is not in utf-8 or ascii",
            ),
            ("sub", f"{folder / 'sub'} cannot be read: Is a directory"),
        ]
    ]
    with pytest.raises(InvalidInputError, match="b.txt cannot be read"):
        list(read_files(files))
