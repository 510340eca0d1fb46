"""Every snippet of docs/postgres.md runs on a real server, and gives what the page says."""

import os
import re
import shlex
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

from tests.support import ROOT
from vecstore import Collection, DatabaseReadOnlyError

PAGE = "docs/postgres.md"
URL = "postgresql://user@host/db"
FENCE = re.compile(r"^```(python|bash|sql)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHIM = f'vecstore() {{ {shlex.quote(sys.executable)} -m vecstore "$@"; }}'


@pytest.fixture
def roles(postgres_url):
    """Names for the roles of the page that no other database of the server has."""
    names = {f"vecstore_{of}": f"vecstore_{of}_{uuid.uuid4().hex}" for of in ("reader", "writer")}
    yield names
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for name in names.values():
            if connection.execute("select to_regrole(%s)", [name]).fetchone() != (None,):
                connection.execute(f"DROP OWNED BY {name}")
                connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def printed(postgres_url, roles, tmp_path, monkeypatch, capsys):
    """What the snippets of each language give, run in the order of the page: rows, and lines."""
    pytest.importorskip("wordllama")
    monkeypatch.chdir(tmp_path)
    Path("more.csv").write_text("id,text\nwolf,a wolf in the wood\n")
    file = Collection("entries", "entries.db", model_id="local")
    file.embed_multi([("horse", "a horse"), ("fish", "a fish")], store=True)
    file.db.close()
    namespace = {"__name__": "documentation"}
    found = {"sql": [], "bash": []}
    for language, snippet in FENCE.findall((ROOT / PAGE).read_text("utf-8")):
        url = shlex.quote(postgres_url) if language == "bash" else postgres_url
        for name, real in {URL: url, **roles}.items():
            snippet = snippet.replace(name, real)
        if language == "python":
            exec(compile(snippet, PAGE, "exec"), namespace)
        elif language == "sql":
            found["sql"] += [query(postgres_url, snippet)]
        elif not snippet.startswith("pip "):
            found["bash"] += [run(snippet)]
    return {**found, "python": capsys.readouterr().out.splitlines()}


def query(url, sql):
    """Run SQL; return its rows, or nothing for what gives none."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


def run(script):
    """Run commands, of which none fails; return the lines that they print."""
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{SHIM}\n{script}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    return done.stdout.splitlines()


def test_the_page_about_postgresql(printed, roles, postgres_url, closing):
    assert printed["python"] == [
        *("puppy", "hound"),
        "['puppy', 'hound']",
        "[('cat', 1), ('dog', 2), (None, 1)]",
    ]
    entries = Collection("entries", postgres_url)
    closing(entries.store)
    assert entries.ids() == ["cat", "fish", "horse", "hound", "hound3", "puppy", "wolf"]
    expected = [(e.id, pytest.approx(e.score, abs=1e-6)) for e in entries.similar_by_id("hound")]
    extension, sizes, compared, by_index, rights = printed["sql"]
    assert {"embeddings", "collections"} <= {name for name, _ in sizes}
    assert [row[:2] for row in compared] == expected
    assert by_index == expected
    assert (extension, rights) == (None, None)
    assert printed["bash"][0][-2:] == ["entries: wordllama", "  4 embeddings"]


def test_the_rights_of_the_page_are_enough(printed, roles, postgres_url, closing):
    reader, writer = (
        Collection("entries", f"{postgres_url}&options=-crole%3D{role}") for role in roles.values()
    )
    closing(reader.store)
    closing(writer.store)
    assert [entry.id for entry in reader.similar("a dog", 1, where="id < 'm'")] == ["hound3"]
    with pytest.raises(DatabaseReadOnlyError, match="may do it, or GRANT it"):
        reader.embed("cow", "a cow")
    writer.embed("cow", "a cow", store=True)
    assert [entry.id for entry in reader.search("cow", 1)] == ["cow"]
    assert writer.delete_ids(["cow"]) == 1
