"""find_files(): what a pattern matches, and what stays out of it."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.ordinary_user import as_an_ordinary_user
from vecstore.errors import InvalidInputError
from vecstore.readers import find_files
from vecstore.readers.patterns import Patterns


def make(folder: Path, *names: str) -> Path:
    """Make files, with their folders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")
    return folder


def ignore(folder: Path, *lines: str) -> None:
    (folder / ".gitignore").write_text("\n".join(lines))


def ids(folder: Path, pattern: str = "**/*", **options) -> list[str]:
    return list(find_files([(str(folder), pattern)], **options).files)


def left_out(folder: Path, pattern: str = "**/*", **options) -> dict[str, tuple[str, str]]:
    found = find_files([(str(folder), pattern)], **options).left_out
    return {path.relative_to(folder).as_posix(): reason for path, reason in found.items()}


@pytest.fixture
def links(tmp_path):
    folder = make(tmp_path / "links", "a/b/f.md", "a/c.txt", "real/r.md", "top.md")
    (folder / "a" / "link").symlink_to("../real")
    (folder / "a" / "loop").symlink_to("..")
    (folder / "link.md").symlink_to("top.md")
    (folder / "broken.md").symlink_to("nowhere")
    (folder / "itself.md").symlink_to("itself.md")
    return folder


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.md", ["link.md", "top.md"]),
        ("./*.md", ["link.md", "top.md"]),
        ("[!l]*.md", ["top.md"]),
        ("t?p.md", ["top.md"]),
        ("**.md", ["link.md", "top.md"]),
        ("**/*.md", ["a/b/f.md", "link.md", "real/r.md", "top.md"]),
        ("**/**/*.md", ["a/b/f.md", "link.md", "real/r.md", "top.md"]),
        ("a/**", ["a/b/f.md", "a/c.txt"]),
        ("a/**/*", ["a/b/f.md", "a/c.txt"]),
        ("a/**/b/*.md", ["a/b/f.md"]),
        ("a//b/*", ["a/b/f.md"]),
        ("*/*/r.md", ["a/link/r.md"]),
        ("a/link/*.md", ["a/link/r.md"]),
        ("a/link/**/*.md", ["a/link/r.md"]),
        ("a/loop/real/*", ["a/loop/real/r.md"]),
        ("a/../top.md", ["a/../top.md"]),
        ("../links/t*.md", ["../links/top.md"]),
        ("top.md", ["top.md"]),
        ("TOP.MD", []),
        ("top.md/*", []),
        ("nothing/*", []),
        ("*/", []),
        ("[", []),
    ],
)
def test_a_pattern_has_one_meaning_on_every_python(links, pattern, expected):
    assert ids(links, pattern) == ids(links, pattern, all=True) == expected


def test_a_link_to_nothing_is_counted(links):
    of_link = ("file", "linked to nothing")
    assert left_out(links, "*.md") == {"broken.md": of_link, "itself.md": of_link}
    assert left_out(links, "*.txt") == {}


@pytest.fixture
def project(tmp_path):
    folder = make(
        tmp_path / "project",
        ".env",
        ".git/config",
        ".github/workflows/ci.yml",
        ".github/.hidden.yml",
        "README.md",
        "build/api.md",
        "docs/a.md",
        "docs/node_modules/b.md",
        "env/lib/c.md",
        "env/pyvenv.cfg",
        "conda/conda-meta/history",
        "conda/d.md",
        "node_modules/.cache/e.md",
        "node_modules/f/README.md",
        "src/__pycache__/g.pyc",
        "src/h.log",
    )
    ignore(folder, "build/", "*.log", ".env")
    return folder


def test_what_stays_out_and_why(project):
    assert ids(project) == ["README.md", "docs/a.md"]
    assert left_out(project) == {
        ".env": ("file", "as hidden"),
        ".git": ("folder", "as hidden"),
        ".github": ("folder", "as hidden"),
        ".gitignore": ("file", "as hidden"),
        "build": ("folder", "by .gitignore"),
        "conda": ("folder", "with a virtual environment"),
        "docs/node_modules": ("folder", "as node_modules"),
        "env": ("folder", "with a virtual environment"),
        "node_modules": ("folder", "as node_modules"),
        "src/__pycache__": ("folder", "as __pycache__"),
        "src/h.log": ("file", "by .gitignore"),
    }


def test_all_leaves_nothing_out(project):
    every = sorted(p.relative_to(project).as_posix() for p in project.rglob("*") if p.is_file())
    assert ids(project, all=True) == every
    assert left_out(project, all=True) == {}


def test_only_what_the_pattern_would_match_is_left_out(project):
    assert left_out(project, "*.md") == {}
    assert left_out(project, "src/*") == {"src/h.log": ("file", "by .gitignore")}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (".env", [".env"]),
        ("**/.env", []),
        (".*", [".gitignore"]),
        (".*/**/*", [".github/workflows/ci.yml"]),
        (".github/**/*.yml", [".github/workflows/ci.yml"]),
        (".github/**/.*.yml", [".github/.hidden.yml"]),
        (".git/*", [".git/config"]),
        ("build/*.md", ["build/api.md"]),
        ("src/h.log", ["src/h.log"]),
        ("node_modules/**/*.md", ["node_modules/f/README.md"]),
        ("**/node_modules/*.md", ["docs/node_modules/b.md"]),
        ("env/lib/*.md", ["env/lib/c.md"]),
        ("*/lib/*.md", []),
        ("node_mod*/**/*.md", []),
    ],
)
def test_what_a_pattern_names_does_not_stay_out(project, pattern, expected):
    assert ids(project, pattern) == expected


@pytest.mark.parametrize("name", ["node_modules", ".github", "env", "build"])
def test_the_given_folder_itself_does_not_stay_out(project, name):
    make(project / name, "x.md")
    assert "x.md" in ids(project / name)


def test_a_file_that_another_pattern_names_is_not_left_out(project):
    found = find_files([(str(project), "*"), (str(project), ".env")])
    assert list(found.files) == [".env", "README.md"]
    assert found.left_out == {project / ".gitignore": ("file", "as hidden")}


def test_nothing_looks_into_what_stays_out(project):
    with_no_files = make(project / "node_modules" / "deep", "x.md")
    ignore(with_no_files, "*")
    (project / "node_modules" / "loop").symlink_to("..")
    assert "node_modules/loop" not in left_out(project)
    assert ids(project) == ["README.md", "docs/a.md"]


def test_the_ignore_files_above_count_up_to_the_root_of_the_repository(tmp_path):
    make(tmp_path, "repo/.git/x", "repo/docs/sub/a.md", "repo/docs/sub/b.md", "repo/docs/sub/c.md")
    ignore(tmp_path, "c.md")
    ignore(tmp_path / "repo", "docs/sub/a.md", "b.md")
    assert ids(tmp_path / "repo" / "docs" / "sub") == ["c.md"]
    ignore(tmp_path / "repo" / "docs", "!sub/b.md")
    assert ids(tmp_path / "repo" / "docs" / "sub") == ["b.md", "c.md"]
    (tmp_path / "link").symlink_to("repo/docs")
    assert ids(tmp_path / "link", "sub/*.md") == ["sub/b.md", "sub/c.md"]
    shutil.rmtree(tmp_path / "repo" / ".git")
    assert ids(tmp_path / "repo" / "docs" / "sub") == ["a.md", "b.md", "c.md"]


def test_what_git_cannot_read_in_its_file_is_of_no_effect(tmp_path):
    make(tmp_path, "a.md", "é.txt", "x.log")
    content = b"\xef\xbb\xbf*.log\r\n[z-a]\n\\\n[\n[[]\n\xff\n" + "é.txt  \n".encode()
    (tmp_path / ".gitignore").write_bytes(content)
    assert ids(tmp_path) == ["a.md"]
    (tmp_path / ".gitignore").unlink()
    (tmp_path / ".gitignore").mkdir()
    assert ids(tmp_path) == ["a.md", "x.log", "é.txt"]


NAMES = ["a", "b", "c", "build", "lib", "x.md", "y.log", "z.txt"]
LINES = """
*.log|*.md|build|build/|a/|a/*|a/**|**/b|**/b/|a/**/b|/x.md|/a|/a/b|!x.md|!a/|!build|*|!*/|!*.md|b/*
!b/x.md|**|**/|a*|?.md|[xy].*|\\!x|# comment|  |lib  |lib/**/x.md|!lib/**|/*|!/a|**/a/**|a/**/|x.md/
[!x].md|a**b|**a|/|//|!|a//b|lib/|!lib/|*/|*/*|*/x.md|!*/x.md|lib\\ |*.txt|!y.log|!**/z.txt
""".replace("\n", "|").split("|")


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@pytest.mark.parametrize("seed", range(25))
def test_git_ignores_the_same(tmp_path, seed):
    chance = random.Random(seed)

    def fill(folder: Path, depth: int) -> None:
        for name in chance.sample(NAMES, chance.randint(2, 5)):
            if "." in name or not depth:
                make(folder, name)
            else:
                fill(make(folder / name), depth - 1)
        if depth == 3 or chance.random() < 0.4:
            ignore(make(folder), *chance.choices(LINES, k=chance.randint(1, 5)))

    root = tmp_path / "repo"
    root.mkdir()
    fill(root, 3)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", root], env=environment, check=True)
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "--others", "--exclude-standard", "-z"],
        env=environment,
        capture_output=True,
        check=True,
    ).stdout
    names = [name for name in os.fsdecode(listed).split("\0") if name]
    assert ids(root) == sorted(name for name in names if not name.endswith(".gitignore"))


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (["*.md"], ["a.txt", "drafts/c.txt"]),
        (["drafts"], ["a.txt", "b.md"]),
        (["drafts/"], ["a.txt", "b.md"]),
        (["/c.txt"], ["a.txt", "b.md", "drafts/c.txt", "drafts/d.md"]),
        (["drafts/*.md", "a.*"], ["b.md", "drafts/c.txt"]),
        (["*", "!*.md"], ["b.md"]),
        (["nothing"], ["a.txt", "b.md", "drafts/c.txt", "drafts/d.md"]),
    ],
)
def test_exclude_takes_more_out(tmp_path, exclude, expected):
    folder = make(tmp_path / "x", "a.txt", "b.md", "drafts/c.txt", "drafts/d.md")
    assert ids(folder, exclude=exclude) == ids(folder, exclude=exclude, all=True) == expected


def test_an_excluded_path_may_begin_with_a_dot_and_a_slash(tmp_path):
    folder = make(tmp_path, "c/a.md", "d/c/b.md", "e.md")
    assert ids(folder, exclude=["./c/"]) == ["d/c/b.md", "e.md"]
    assert ids(folder, exclude=["././c/a.md", "e.md", "!./e.md"]) == ["d/c/b.md", "e.md"]


def test_what_excludes_nothing_is_known(tmp_path):
    folder = make(tmp_path, "c/a.md", "e.md")
    exclude = ["*.md", "c/../x", str(folder / "c"), "e.md", "!e.md", "!f.md", "*.md", "c/a.md"]
    found = find_files([(str(folder), "**/*.md")], exclude=exclude)
    assert found.unmatched == ["c/../x", str(folder / "c"), "!f.md"]
    assert list(found.files) == []
    assert ids(folder, exclude=["e.md", "!e.md", "e.md"]) == ["c/a.md"]


def test_exclude_goes_before_what_the_pattern_names(project):
    assert ids(project, "README.md", exclude=["README.md"]) == []
    assert left_out(project, "R*.md", exclude=["*.md"], all=True) == {
        "README.md": ("file", "by --exclude")
    }


@pytest.mark.parametrize("pattern", ["", " ", "# a", "!", "/", "[z-a]", "a\\"])
def test_what_excludes_nothing_is_refused(tmp_path, pattern):
    with pytest.raises(InvalidInputError) as caught:
        find_files([(str(tmp_path), "*")], exclude=["ok", pattern])
    assert str(caught.value) == (
        f"Invalid pattern {pattern!r} of --exclude: write it as in a .gitignore, such as '*.log' "
        "or 'drafts/'"
    )


def test_a_name_that_is_not_utf8_is_a_problem_of_that_file(tmp_path):
    make(tmp_path, "a.txt", os.fsdecode(b"caf\xe9/b.txt"), os.fsdecode(b"c\xff.txt"))
    found = find_files([(str(tmp_path), "**/*.txt")])
    assert list(found.files) == ["a.txt"]
    assert sorted(str(error) for error in found.problems.values()) == [
        f"The file name {name!r} in {tmp_path} is not UTF-8, and cannot be an id: rename it, or "
        "leave it out with --exclude or --on-error skip"
        for name in (b"c\xff.txt", b"caf\xe9/b.txt")
    ]
    assert find_files([(str(tmp_path), "**/*")], exclude=["caf*", "c*"]).problems == {}


@pytest.mark.parametrize("name", ["closed", "listed", "ignore/.gitignore"])
def test_what_cannot_be_looked_into_is_a_problem(public_folder, name):
    make(public_folder, "a.md", "closed/b.md", "listed/c.md", "ignore/.gitignore", "ignore/d.md")
    (public_folder / name).chmod(0o444 if name == "listed" else 0)
    assert len(Patterns(["*"])) == 1  # what it imports may be closed to others
    with as_an_ordinary_user():
        found = find_files([(str(public_folder), "**/*.md")])
    problem = public_folder / ("listed/.gitignore" if name == "listed" else name)
    assert {path: str(error) for path, error in found.problems.items()} == {
        problem: f"{problem} cannot be read: Permission denied"
    }
    kept = {"a.md", "closed/b.md", "listed/c.md", "ignore/d.md"}
    assert found.files.keys() == {id for id in kept if not id.startswith(name.partition("/")[0])}
