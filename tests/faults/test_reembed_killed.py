"""reembed() is killed at random moments, while others write: what is done in the end is all of it.

More kills, of other seeds:

    VECSTORE_KILLS=50 VECSTORE_SEED=7 scripts/test tests/faults/test_reembed_killed.py
"""

import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support import ROOT
from tests.support.chunked import lines
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.models import Pseudorandom, pseudorandom
from tests.support.reembed_killed import BATCH
from vecstore import Collection, ModelMismatchError, check

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
ENTRIES = 300
DOCUMENTS = 20
HAS_LLM = importlib.util.find_spec("llm") is not None
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]
UNFINISHED = "pets@new (unfinished)"
PREFIX = "passage: "


@pytest.fixture
def chance(request) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


def document(number: int, length: int) -> tuple[str, str]:
    """Return a document of some lines below a heading, each of which is a chunk."""
    return f"{number}.md", f"# Part {number}\n" + "".join(
        f"line {n} of {number}\n" for n in range(length)
    )


def embed_document(pets: Collection, number: int, length: int) -> None:
    """Embed it with its headings, or every third one without."""
    pets.embed_documents([document(number, length)], lines, headings=number % 3 > 0)


def fill(path: Path, form: str) -> None:
    with closing(vecstore.connect(path)) as db:
        pets = Collection("pets", db, model=Pseudorandom(), index=form)
        pets.embed_multi(((f"{n:04}", f"text {n}") for n in range(ENTRIES)), store=True)
        for number in range(DOCUMENTS):
            embed_document(pets, number, 4)


def run(path: Path, driver: str, kill_after: float | None, batches: int, prefix: str = "") -> bool:
    """Go on with the work, kill it after some batches and seconds; return whether it is done."""
    sent = path.with_suffix(".sent")
    command = [sys.executable, "-m", "tests.support.reembed_killed", path, driver, sent, prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        if kill_after is not None:
            for number, _ in enumerate(process.stdout):
                if number >= batches:
                    break
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == 0


def sent_texts(path: Path) -> list[str]:
    return [json.loads(line) for line in path.with_suffix(".sent").read_text("utf-8").splitlines()]


def names(path: Path) -> list[str]:
    with closing(vecstore.connect(path)) as db:
        return [name for (name,) in rows(db, "select name from collections order by id")]


def write(path: Path, chance: random.Random) -> None:
    """Change the collection, as somebody does who knows nothing of the work."""
    with closing(vecstore.connect(path)) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        for _ in range(3):
            id = f"{chance.randrange(ENTRIES):04}"
            pets.embed(id, f"changed {chance.random()}", store=True)
        pets.delete_ids([f"{chance.randrange(ENTRIES):04}"])
        pets.embed(f"new {chance.random()}", f"added {chance.random()}", store=True)
        embed_document(pets, chance.randrange(1, DOCUMENTS), chance.randrange(1, 7))
        pets.delete_documents([f"{DOCUMENTS}.md", "0.md"])
        if chance.random() < 0.5:
            pets.embed("0.md#2", f"no chunk any more {chance.random()}", store=True)
        else:
            pets.delete_ids(["0.md#2"])
            embed_document(pets, 0, 3)
        with db.conn:
            db.execute(
                "update embeddings set metadata = ? where collection_id = ? and id = ?",
                [json.dumps({"n": chance.random()}), pets.id, f"{chance.randrange(ENTRIES):04}"],
            )


LLM_WRITER = """
import sys
import llm, sqlite_utils
class Model(llm.EmbeddingModel):
    model_id = "pseudorandom"
    def embed_batch(self, items):
        from tests.support.models import pseudorandom
        return [pseudorandom(item, 32) for item in items]
path, id, text = sys.argv[1:]
db = sqlite_utils.Database(path)
llm.Collection("pets", db, model=Model()).embed(id, text, store=True, metadata={"by": "llm"})
"""


def write_with_llm(path: Path, chance: random.Random) -> None:
    id = f"{chance.randrange(ENTRIES):04}"
    text = f"by llm {chance.random()}"
    command = [sys.executable, "-c", LLM_WRITER, path, id, text]
    subprocess.run(command, check=True, cwd=ROOT)


def embedded_texts(db, collection_id: int) -> dict[str, str]:
    """Return what is embedded of each entry, by what the test knows of it."""
    found = rows(
        db,
        "select id, content, metadata from embeddings where collection_id = ?",
        [collection_id],
    )
    texts = {}
    for id, content, metadata in found:
        number, _, chunk = id.partition(".md#")
        has_heading = chunk and int(number) % 3 > 0 and int(chunk) > 1
        texts[id] = f"Part {number}\n\n{content}" if has_heading else content
        assert not chunk or "no chunk" in content or json.loads(metadata)["document"] in id
    return texts


def assert_is_a_fresh_load(path: Path, prefix: str = "") -> None:
    kept = """
        select id, content, content_hash, metadata
        from embeddings
        where collection_id = (select id from collections where name = ?)
        order by id
    """
    with closing(vecstore.connect(path)) as db:
        assert rows(db, kept, ["pets"]) == rows(db, kept, ["pets@pseudorandom"])
        pets = Collection("pets", db)
        assert pets.model_id == "new"
        texts = embedded_texts(db, pets.id)
        found = rows(db, "select id, embedding from embeddings where collection_id = ?", [pets.id])
        for id, vector in found:
            assert vector == vecstore.encode(pseudorandom(f"{prefix}{texts[id]}", 32))
    report = check(path)
    assert (report.problems, [n for n in report.notes if n.kind != "index"]) == ([], [])


@pytest.mark.parametrize("form", ["inside", "beside"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_killed_and_gone_on_with_until_it_is_done(tmp_path, driver, form, chance):
    path = tmp_path / "test.db"
    fill(path, form)
    kills = 0
    while kills < KILLS:
        if run(path, driver, chance.uniform(0, 0.05), chance.randint(0, 4), PREFIX):
            break
        kills += 1
        assert names(path) in (["pets"], ["pets", UNFINISHED], ["pets@pseudorandom", "pets"])
        if names(path)[0] != "pets":
            break  # killed after the change of names
        write(path, chance)
        if form == "beside" and HAS_LLM:
            write_with_llm(path, chance)
        assert_refuses_another_prefix(path)
    else:
        assert run(path, driver, None, 0, PREFIX)
    assert_is_a_fresh_load(path, PREFIX)
    sent = Counter(sent_texts(path))
    assert all(text.startswith(PREFIX) for text in sent)
    # What was sent and not written when the kill came is sent once more, and so is
    # a line of a document that was deleted and came back.
    again = [count - 1 for text, count in sent.items() if not re.search("line|Part", text)]
    assert sum(again) <= kills * BATCH
    assert max(sent.values()) <= 1 + kills


def assert_refuses_another_prefix(path: Path) -> None:
    """Assert that what was begun with a prefix is not gone on with by another."""
    if UNFINISHED not in names(path):
        return

    class Model(Pseudorandom):
        model_id = "new"

        def embed_batch(self, items):
            raise AssertionError(items)

    with closing(vecstore.connect(path)) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        with pytest.raises(ModelMismatchError, match="was begun with the document prefix"):
            pets.reembed(Model(), document_prefix="another: ")


def test_a_kill_about_the_change_of_names_has_changed_both_or_none(tmp_path, chance):
    """Nearly all is embedded already, so that the kill comes when the names change, or near."""
    for number in range(KILLS):
        path = tmp_path / f"{number}.db"
        fill(path, "inside")
        with closing(vecstore.connect(path)) as db:
            old = Collection("pets", db, model=Pseudorandom())
            assert old.copy(UNFINISHED).count() == old.count()
            db.execute("update collections set model = 'new' where name = ?", [UNFINISHED])
            old.embed("0000", "changed", store=True)
        done = run(path, "apsw", chance.uniform(0, 0.3), 1)
        found = tuple(names(path))
        assert found in (("pets", UNFINISHED), ("pets@pseudorandom", "pets"))
        assert found[0] != "pets" or not done
        if found[0] == "pets":
            assert run(path, "apsw", None, 0)
        assert names(path) == ["pets@pseudorandom", "pets"]
        sent = sent_texts(path)
        assert sent in (["changed"], ["changed", "changed"])  # sent, and not written yet
        assert_is_a_fresh_load(path)


WRITER = """
import sys, time
import vecstore
from tests.faults.test_reembed_killed import embed_document
from tests.support.models import Pseudorandom
db = vecstore.connect(sys.argv[1])
db.execute("pragma busy_timeout = 20000")
pets = vecstore.Collection("pets", db, model=Pseudorandom())
number = 0
try:
    while number < 60:
        pets.embed(f"{number * 7 % 300:04}", f"written {number}", store=True)
        pets.delete_ids([f"{number * 11 % 300:04}"])
        embed_document(pets, number % 20, 1 + number % 7)
        with db.conn:
            text = f"by SQL {number}"
            db.execute(
                "update embeddings set content = ?, content_hash = ? where id = ? "
                "and collection_id = (select id from collections where name = 'pets') "
                "and collection_id = ?",
                [text, vecstore.content_hash(text), f"{number * 13 % 300:04}", pets.id],
            )
        number += 1
        print(number, flush=True)
except vecstore.ModelMismatchError as error:
    print(error, flush=True)
db.close()
"""


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_a_writer_of_another_process_loses_nothing(tmp_path, form):
    """What was written is in both collections, or the writer was told that the old one is gone."""
    path = tmp_path / "test.db"
    fill(path, form)
    command = [sys.executable, "-c", WRITER, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout.readline() == "1\n"
        assert run(path, "apsw", None, 0, PREFIX)
        said, _ = writer.communicate()
    assert writer.returncode == 0
    last = said.splitlines()[-1:]
    assert last in ([], ["60"]) or last[0].startswith("Collection 'pets' was opened with the model")
    assert_is_a_fresh_load(path, PREFIX)
