"""docs/cli.md and the help of the commands: complete, up to date, and their examples run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

import vecstore
from cli_help import BLOCK, PAGE, helps, with_helps
from tests.support.command import output, run
from tests.support.documents import blocks

URL = "postgresql://user@host/name"  # in the examples
HELPS = dict(helps())
EXAMPLE = re.compile(r"^ *(vecstore .*)$", re.MULTILINE)
EXAMPLES = sorted(
    {
        example
        for text in [*HELPS.values(), *blocks("docs/cli.md", "bash")]
        for example in EXAMPLE.findall(text)
    }
)


def test_the_helps_of_the_page_are_current():
    page = PAGE.read_text("utf-8")
    assert with_helps(page) == page, "scripts/fix mends it"


def test_every_command_is_on_the_page():
    assert {block[1] for block in BLOCK.findall(PAGE.read_text("utf-8"))} == HELPS.keys()


def test_every_command_has_examples():
    assert [name for name, text in HELPS.items() if not EXAMPLE.search(text)] == []


def test_a_help_is_what_the_command_prints():
    assert HELPS["vecstore embed"] == output("embed", "--help", terminal_width=80).rstrip("\n")


def test_no_line_of_a_help_is_too_wide_or_was_wrapped_against_its_will():
    for text in HELPS.values():
        assert [line for line in text.splitlines() if len(line) > 80] == []
        assert r"\b" not in text


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A folder where the examples find what they talk about."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("letter.txt").write_text("Dear cat, I hope that you are well. Yours, Ann")
    Path("pets.csv").write_text("name,text,colour\nfish,my silent fish,red\nbird,my bird,blue\n")
    Path("pets.jsonl").write_text('{"name": "horse", "text": "my horse", "age": 7}\n')
    Path("title.basics.tsv").write_text('tconst\ttitle\tstartYear\ntt1\t"Rome" - 2\t2007\n')
    Path("phrases.csv").write_text("my silent fish,1\nmy bird,2\n")
    Path("page.json").write_text('{"count": 1, "results": [{"id": 1, "text": "my horse"}]}')
    Path("siglip.jsonl").write_text('{"id": "cat.jpg", "embedding": [1, 2], "title": "my cat"}\n')
    Path("docs").mkdir()
    Path("docs", "index.md").write_text("# Pets\n")
    blog = vecstore.connect("blog.db", driver="apsw")
    blog["posts"].insert({"id": 1, "body": "My pets and I"})
    blog.close()
    vecstore.set_default_embedding_model("local")
    db = vecstore.connect(vecstore.user_dir() / "embeddings.db", driver="apsw")
    pets = vecstore.Collection("pets", db, model_id="local")
    pets.embed_multi([("hound", "my happy hound"), ("cat", "my dissatisfied cat")], store=True)
    pictures = vecstore.Collection("pictures", db, model=vecstore.ExternalModel("siglip"))
    pictures.add("hound.jpg", [0.25, -1])
    db.close()
    shutil.copy(vecstore.user_dir() / "embeddings.db", "pets.db")
    vecstore.export_collection("pets.db", "pets", "exported.jsonl")
    shutil.copy("pets.db", "embeddings.db")
    Path("query.sql").write_text("select id from vecstore_items;\n")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(prepared, example, request):
    if URL in example:
        url = request.getfixturevalue("postgres_url")
        vecstore.push_collections("embeddings.db", url)
        example = example.replace(URL, url)
    command, _, file = re.sub(r" > \S+$", "", example).partition(" < ")
    _, *arguments = shlex.split(command)
    result = run(*arguments, input=Path(file).read_bytes() if file else None)
    if "distribute" in arguments:  # the server of the tests has no Citus
        assert f"{url} has no Citus: install it" in result.stderr
    else:
        assert result.exit_code == 0, result.stderr
