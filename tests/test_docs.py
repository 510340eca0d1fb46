"""Every snippet of the README and the docs runs, and gives what it says."""

import doctest
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import vecstore
from tests.support import ROOT
from tests.support.documents import blocks
from tests.support.models import WordLengths
from vecstore import Collection

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README_NOTES = {
    "garden.md": "# Garden\n\n## Spring\n\nPlant the tomatoes after the last frost. The beans can "
    "wait.\n\n## Autumn\n\nRake the leaves onto the beds for the hedgehogs.\n",
    "bike.md": "# Bike\n\nThe rear tyre loses air, order a new tube.\n",
    "bread.md": "# Bread\n\nFlour, water, salt and the starter. Let it rise overnight.\n",
    "trip.md": "# Vienna\n\nBook the night train before May. The hotel near the station has a "
    "bicycle cellar.\n",
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def readme_namespace():
    """What the session of the README leaves behind, after its output was compared."""
    namespace = {}
    [session] = blocks("README.md", "pycon")
    test = doctest.DocTestParser().get_doctest(session, namespace, "README.md", "README.md", 0)
    runner = doctest.DocTestRunner(verbose=False)
    output = []
    runner.run(test, out=output.append, clear_globs=False)
    assert "".join(output) == ""
    yield test.globs
    test.globs["notes"].db.close()


def test_the_session_of_the_readme(readme_namespace):
    assert readme_namespace["notes"].ids() == ["bike", "garden", "trip"]


def test_the_sql_of_the_readme_gives_what_python_gives(readme_namespace):
    notes = readme_namespace["notes"]
    [sql] = blocks("README.md", "sql")
    expected = [(entry.id, pytest.approx(entry.score)) for entry in notes.similar_by_id("trip")]
    assert notes.db.execute(sql).fetchall() == expected


def test_the_command_line_of_the_readme():
    pytest.importorskip("semantic_text_splitter")
    Path("notes").mkdir()
    for name, text in README_NOTES.items():
        Path("notes", name).write_text(text)
    [session] = blocks("README.md", "console")
    commands, shown = [], []
    for line in session.splitlines():
        (commands if line.startswith("$ ") else shown).append(line.removeprefix("$ "))
    shim = f'vecstore() {{ {shlex.quote(sys.executable)} -m vecstore "$@"; }}'
    script = "\n".join(["set -e", shim, *commands])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == shown


def test_the_scripts_that_the_readme_names_can_be_run():
    commands = [
        line.split()[0] for block in blocks("README.md", "bash") for line in block.splitlines()
    ]
    for command in commands:
        assert command in ("pip", "datasette") or (ROOT / command).stat().st_mode & 0o111


def test_the_python_of_the_api_page(capsys):
    namespace = {"__name__": "documentation"}
    for block in blocks("docs/python-api.md", "python"):
        exec(compile(block, "docs/python-api.md", "exec"), namespace)
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith("v0.1.")
    assert output[7].startswith("scan None ")
    assert output[8].startswith("scan: ")
    namespace["db"].close()
    namespace["counts"].db.close()


def test_the_page_about_documents(capsys, closing):
    pytest.importorskip("semantic_text_splitter")
    folder = Path("notes", "home")
    folder.mkdir(parents=True)
    folder.joinpath("house.md").write_text("# House\n\nIt was painted in May.\n\nIt is red.\n")
    folder.joinpath("cat.md").write_text("# Cat\n\nShe sleeps.\n")
    collection = Collection("pets", model=WordLengths())
    closing(collection.db)
    namespace = {"__name__": "documentation", "collection": collection}
    for block in blocks("docs/documents.md", "python"):
        exec(compile(block, "docs/documents.md", "exec"), namespace)
    assert capsys.readouterr().out.startswith(
        "home/house.md None # House\n\nIt was painted in May."
    )
    notes = namespace["notes"]
    listed, nearest, related = blocks("docs/documents.md", "sql")
    found = notes.db.execute(listed).fetchall()
    assert [row[:2] for row in found] == [("home/cat.md", 1), ("home/house.md", 1), ("todo.txt", 1)]
    found = notes.db.execute(nearest).fetchall()
    expected = notes.similar("Feed the cat.", per_document=True)
    assert found == [(e.metadata["document"], pytest.approx(e.score), e.content) for e in expected]
    notes.related_table(20)
    found = notes.db.execute(related).fetchall()
    assert found == [
        (e.metadata["document"], pytest.approx(e.score)) for e in expected if "todo" not in e.id
    ]
    notes.db.close()


def test_the_api_page_names_every_member_with_its_signature():
    text = (ROOT / "docs/python-api.md").read_text("utf-8")
    for name, member in inspect.getmembers(Collection, inspect.isfunction):
        if not name.startswith("_"):
            parameters = [
                str(p.replace(annotation=p.empty))
                for p in inspect.signature(member).parameters.values()
                if p.name != "self" and p.kind is not p.KEYWORD_ONLY
            ]
            signature = f"{name}({', '.join(parameters)})".replace("input", "value")
            assert f"`{signature}`" in text or f"`Collection.{signature}`" in text, signature


def test_the_documented_schema_is_the_real_one(closing):
    collection = Collection("test", model=WordLengths())
    closing(collection.db)
    documented = blocks("docs/schema.md", "sql")[0]
    real = "\n".join(collection.db[name].schema for name in ("collections", "embeddings"))
    assert documented.strip() == real


def test_the_queries_of_the_schema_page_give_what_python_gives(closing):
    collection = Collection("test", model_id="local")
    closing(collection.db)
    animals = ["hound", "cat", "fish", "bird", "horse", "dog", "wolf", "puppy"]
    collection.embed_multi((animal, f"my happy {animal}") for animal in animals)
    expected = [(e.id, pytest.approx(e.score)) for e in collection.similar_by_id("hound")]
    [keywords] = [sql for sql in blocks("docs/schema.md", "sql") if "vecstore_keywords" in sql]
    by_keyword = collection.search("happy hound", mode="keywords")
    assert collection.db.execute(keywords).fetchall() == [
        (e.id, pytest.approx(e.keyword_score), e.snippet) for e in by_keyword
    ]
    for sql in blocks("docs/schema.md", "sql")[1:]:
        if sql == keywords:
            continue
        found = collection.db.execute(sql).fetchall()
        assert found[0] == ("hound", pytest.approx(1.0))
        assert found[1:] == expected


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
        assert target.startswith("https://") or (document.parent / target).exists()


def test_every_public_name_has_a_docstring():
    for name in vecstore.__all__:
        assert getattr(vecstore, name).__doc__, name
