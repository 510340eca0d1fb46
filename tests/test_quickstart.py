"""The quickstart: what it reads from source, and that its second run writes nothing."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import quickstart
import vecstore
from stdlib_docs import Doc, read_docs

SHUTIL = '''\
"""Files as a whole."""


def copytree(source, destination):
    """Copy a folder."""


def rmtree(path):
    """Remove a folder.

    With everything in it.

    Nothing is asked."""


def _private():
    """Is skipped."""


def undocumented():
    pass
'''

THREADING = '''\
class Thread:
    """Runs beside the others."""

    def join(self):
        """Wait for the end."""
        def inner():
            """Is skipped."""

    def __enter__(self):
        """Is skipped."""

    class Local:
        """Belongs to a thread."""

try:
    from _thread import lock
except ImportError:
    if True:
        async def lock():
            """Wait \\d times."""
'''


@pytest.fixture
def stdlib(tmp_path: Path) -> Path:
    """A standard library of a few files."""
    files = {
        "shutil.py": SHUTIL,
        "threading.py": THREADING,
        "posixpath.py": 'def join(*parts):\n    """Join paths."""\n',
        "email/__init__.py": '"""Mail."""\n',
        "email/message.py": '"""A message."""\n',
        "_pyio.py": '"""The twin."""\ndef open():\n    """Open a file."""\n',
        "io.py": '"""Streams."""\n',
        "_private.py": '"""Is skipped."""\n',
        "test/support.py": '"""Is skipped."""\n',
        "email/tests/test_mail.py": '"""Is skipped."""\n',
        "site-packages/other.py": '"""Is skipped."""\n',
        "__pycache__/shutil.py": '"""Is skipped."""\n',
        "config-3.12/settings.py": '"""Is skipped."""\n',
        "broken.py": "def of Python 2, or a template\n",
        "latin.py": b"# coding: latin-1\n'''Caf\xe9.'''\n",
        "notes.txt": "No Python.",
    }
    folder = tmp_path / "stdlib"
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stdlib: Path):
    """A function that runs the quickstart on that library, with tmp_path as current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quickstart.sysconfig, "get_path", lambda name: str(stdlib))
    return lambda *args: CliRunner().invoke(quickstart.main, args)


def stored(path: Path) -> list[tuple]:
    db = vecstore.connect(path)
    try:
        return db.execute("select rowid, * from embeddings order by id").fetchall()
    finally:
        db.close()


def test_public_names_with_a_docstring_are_read(stdlib):
    assert [(doc.name, doc.kind, doc.file, doc.line) for doc in read_docs(stdlib)] == [
        ("io", "module", "io.py", 1),
        ("latin", "module", "latin.py", 1),
        ("shutil", "module", "shutil.py", 1),
        ("shutil.copytree", "function", "shutil.py", 4),
        ("shutil.rmtree", "function", "shutil.py", 8),
        ("threading.Thread", "class", "threading.py", 1),
        ("threading.Thread.join", "method", "threading.py", 4),
        ("threading.Thread.Local", "class", "threading.py", 12),
        ("threading.lock", "function", "threading.py", 19),
        ("email", "module", "email/__init__.py", 1),
        ("email.message", "module", "email/message.py", 1),
        ("io.open", "function", "_pyio.py", 2),
        ("os.path.join", "function", "posixpath.py", 1),
    ]


def test_a_module_keeps_its_own_docstring_where_its_twin_has_one(stdlib):
    assert {doc.name: doc.docstring for doc in read_docs(stdlib)}["io"] == "Streams."


def test_an_entry_is_the_name_and_the_first_two_paragraphs():
    doc = Doc("shutil.rmtree", "Remove it.\n\nAll of it.\n\nReally.", "function", "shutil.py", 8)
    assert doc.entry() == (
        "shutil.rmtree",
        "shutil.rmtree\n\nRemove it.\n\nAll of it.",
        {"kind": "function", "file": "shutil.py", "line": 8},
    )


def test_the_own_standard_library_has_thousands_of_entries():
    docs = {doc.name: doc for doc in read_docs(Path(quickstart.sysconfig.get_path("stdlib")))}
    assert len(docs) > 3000
    known = {"argparse", "concurrent.futures.Future.result", "datetime.date", "decimal.Decimal"}
    assert known | {"io.open", "json.dumps", "os.path.join", "pathlib.Path.mkdir"} <= docs.keys()


def test_the_second_run_writes_nothing(run, tmp_path):
    first = run()
    assert first.exit_code == 0, first.output
    assert "13 embedded, 0 updated, 0 deleted, 0 unchanged" in first.output
    rows = stored(tmp_path / "stdlib.db")
    second = run()
    assert "0 embedded, 0 updated, 0 deleted, 13 unchanged" in second.output
    assert stored(tmp_path / "stdlib.db") == rows


def test_a_run_follows_what_changed_in_the_library(run, stdlib, tmp_path):
    run()
    (stdlib / "shutil.py").write_text("\n" + SHUTIL.replace("Copy a folder", "Copy it all"))
    (stdlib / "latin.py").unlink()
    assert "1 embedded, 1 updated, 1 deleted, 10 unchanged" in run().output
    assert "latin" not in [row[2] for row in stored(tmp_path / "stdlib.db")]


def test_every_snippet_is_shown_with_what_it_finds(run):
    output = run().output
    assert 'collection = vecstore.Collection("stdlib", "stdlib.db")' in output
    answers = ["", "threading.Thread.join", "", "shutil.rmtree"]
    for number, found in enumerate(answers, start=1):
        answer = output.partition(f"# {number}. ")[2].partition("\n\n")[0]
        assert re.search(rf"^    \d\.\d{{3}}  {re.escape(found)}", answer, re.MULTILINE), answer
    assert "vec_distance_cosine" in output
    assert len(output.splitlines()) < 60


def test_the_command_to_try_next_works(run, tmp_path):
    output = run("it's here.db").output
    command = next(line for line in output.splitlines() if " -i -c " in line)
    arguments = shlex.split(command)
    assert arguments[0] == sys.executable
    script = arguments[3] + "; print([entry.id for entry in stdlib.similar('mail', number=1)])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert result.stdout == "['email']\n"


def test_an_interrupted_run_says_that_the_next_goes_on(run, monkeypatch):
    def interrupted(docs):
        yield docs[0]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(quickstart, "with_progress", interrupted)
        result = run()
    assert result.exit_code == 130
    assert result.output.endswith("Stopped. stdlib.db keeps what is done: run the same again.\n")
    assert "13 embedded" in run().output


def test_a_file_that_is_no_database_is_one_line(run, tmp_path):
    (tmp_path / "text.db").write_text("no database " * 1000)
    result = run("text.db")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error: text.db cannot be read")


def test_a_python_without_source_is_one_line(run, stdlib):
    for path in list(stdlib.rglob("*.py")):
        path.unlink()
    result = run()
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == (
        f"Error: {stdlib} has no Python source: set PYTHON to another Python"
    )


def test_on_a_terminal_there_is_a_bar(stdlib, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    docs = read_docs(stdlib)
    assert list(quickstart.with_progress(docs)) == docs
    output = capsys.readouterr().out
    assert "13/13" in output
    assert "a second" in output


def test_elsewhere_progress_is_lines(stdlib, monkeypatch, capsys):
    monkeypatch.setattr(quickstart, "SECONDS_A_LINE", 0)
    docs = read_docs(stdlib)
    assert list(quickstart.with_progress(docs)) == docs
    assert "13 of 13" in capsys.readouterr().out
