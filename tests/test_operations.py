"""What docs/operations.md shows runs, and a replica of litestream gives back what was committed."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support import ROOT
from tests.support.databases import rows
from tests.support.documents import blocks
from vecstore import Collection, check

PAGE = "docs/operations.md"
SHIM = f'set -e; vecstore() {{ {shlex.quote(sys.executable)} -m vecstore "$@"; }}'
SCRIPTS = sysconfig.get_path("scripts")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the page is about."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{SCRIPTS}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")
    with closing(vecstore.connect("pets.db", driver="apsw")) as db:
        pets = Collection("pets", db, model_id="local")
        pets.embed_multi([("cat", "my cat"), ("dog", "my dog")], store=True)
    return folder


def shell(script, **kwargs):
    return subprocess.run(
        ["bash", "-c", f"{SHIM}\n{script}"], capture_output=True, text=True, **kwargs
    )


@pytest.mark.parametrize("session", blocks(PAGE, "console"))
def test_a_session_of_the_page(folder, session):
    commands = [line[2:] for line in session.splitlines() if line.startswith("$ ")]
    shown = [line for line in session.splitlines() if not line.startswith("$ ")]
    result = shell("\n".join(commands))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == shown


@pytest.mark.parametrize(
    "commands", [block for block in blocks(PAGE, "bash") if "litestream" not in block]
)
def test_commands_of_the_page(folder, commands):
    result = shell(commands)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_python_of_the_page(folder, capsys):
    [code] = blocks(PAGE, "python")
    exec(compile(code, PAGE, "exec"), {})
    assert capsys.readouterr().out == ""


def test_the_lines_of_the_page_can_be_imported(folder):
    [lines] = blocks(PAGE, "json")
    Path("lines.jsonl").write_text(lines.replace('"entries": 2', '"entries": 1'))
    with closing(vecstore.connect("new.db")) as db:
        assert vecstore.import_collection(db, "lines.jsonl").collection == "pets"
        assert Collection("pets", db).get("cat").content == "my cat"
        assert check(db).ok


WRITER = """
import sys
import vecstore
from tests.support.models import Vectors

db = vecstore.connect("pets.db", driver="apsw", timeout=30)
collection = vecstore.Collection("numbers", db, model=Vectors())
for n in range(1_000_000):
    collection.embed_multi((f"{n:06}-{i}", f"{n} {i} 1 1 1 1 1 1") for i in range(10))
    print(n, flush=True)
"""


@pytest.mark.skipif(
    not shutil.which("litestream", path=f"{os.environ['PATH']}:{SCRIPTS}"),
    reason="litestream is not installed",
)
def test_a_replica_gives_back_what_was_committed_before_a_crash(folder):
    replicate, restore = [block for block in blocks(PAGE, "bash") if "litestream" in block]
    litestream = subprocess.Popen(
        ["bash", "-c", f"exec {replicate}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    writer = subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE, text=True)
    try:
        early = [int(writer.stdout.readline()) for _ in range(20)][-1]
        deadline = time.monotonic() + 60
        while restored(restore) <= early:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        seen = restored(restore)
    finally:
        litestream.kill()
        writer.kill()
        output, _ = writer.communicate()
        litestream.wait()
    latest = max(map(int, output.split()), default=0)
    assert seen <= restored(restore) <= latest + 2
    assert check("pets.db").problems == []


def restored(restore):
    """Restore the replica, and return how many transactions of the writer it has, all clean."""
    Path("restored.db").unlink(missing_ok=True)
    if "No problems\n" not in shell(restore).stdout:
        return -1
    with closing(vecstore.connect("restored.db", driver="apsw")) as db:
        if not Collection.exists(db, "numbers"):
            return 0
        ids = Collection("numbers", db).ids()
        assert ids == [f"{n:06}-{i}" for n in range(len(ids) // 10) for i in range(10)]
        assert rows(db, "select count(*) from vec_embeddings_8") == [(len(ids),)]
        return len(ids) // 10
