"""The wheel and the sdist: what they hold, and that an installed wheel works on its own."""

import json
import platform
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import vecstore
from tests.support import ROOT
from tests.support.environments import make_environment, run

MIGRATIONS = [
    path.relative_to(ROOT / "migrations").as_posix()
    for path in ROOT.joinpath("migrations").rglob("*.sql")
]

SEARCH = """
import json
import sys
import vecstore

class Letters(vecstore.EmbeddingModel):
    model_id = "letters"

    def embed_batch(self, items):
        return [[item.count(letter) for letter in "abcdefgh"] for item in items]

db = vecstore.connect(sys.argv[1])
collection = vecstore.Collection("words", db, model=Letters())
collection.embed_multi([("1", "cabbage"), ("2", "head"), ("3", "baggage")], store=True)
found = [[entry.id, entry.content] for entry in collection.similar("cabbages", number=2)]
db.close()
json.dump({"file": vecstore.__file__, "found": found}, sys.stdout)
"""

# llm on the file of SEARCH, whose entries it replaces, adds and deletes.
LLM = """
import sys
import llm
from sqlite_utils import Database

class Letters(llm.EmbeddingModel):
    model_id = "letters"

    def embed_batch(self, items, *, key=None):
        return [[item.count(letter) for letter in "abcdefgh"] for item in items]

db = Database(sys.argv[1])
collection = llm.Collection("words", db, model=Letters())
collection.embed("1", "a cabbage", store=True)
collection.embed_multi([("4", "headache"), ("5", "beach")], store=True)
llm.Collection("others", db, model=Letters()).embed("1", "deed")
llm.Collection("others", db, model=Letters()).delete()
db.close()
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, cwd=ROOT)
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [wheel] = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel, what it depends on, and no more."""
    return make_environment(tmp_path_factory.mktemp("installed"), wheel)


def test_the_wheel_holds_the_package_with_its_migrations_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    info = f"sqlite_vecstore-{vecstore.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"vecstore", "vecstore_sqlite_utils.py", info}
    migrations = {name for name in names if name.startswith("vecstore/migrations/")}
    assert migrations == {f"vecstore/migrations/{name}" for name in MIGRATIONS}
    assert {"vecstore/py.typed", f"{info}/licenses/LICENSE"} <= set(names)


def test_the_sdist_holds_what_it_takes_to_build_and_test(dist):
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {"pyproject.toml", "README.md", "LICENSE", "tests/test_packaging.py", "scripts/test"}
    assert needed | {f"migrations/{name}" for name in MIGRATIONS} <= names
    assert not [name for name in names if name.startswith((".ci", ".venv", ".git/"))]


def test_an_installed_wheel_searches_without_the_source(python, tmp_path):
    (tmp_path / "search.py").write_text(SEARCH)
    result = run(python, "-I", "search.py", "words.db", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    output = json.loads(result.stdout)
    assert Path(output["file"]).is_relative_to(python.parent.parent)
    assert output["found"] == [["1", "cabbage"], ["3", "baggage"]]


def test_an_installed_wheel_has_the_command(python, tmp_path):
    result = run(python.parent / "vecstore", "--version", cwd=tmp_path)
    assert (result.stdout, result.stderr) == (f"vecstore, version {vecstore.__version__}\n", "")


@pytest.mark.skipif(
    (sys.platform, platform.machine(), sys.implementation.name) != ("linux", "x86_64", "cpython"),
    reason="there are no wheels of pysqlite3-binary",
)
def test_llm_beside_an_installed_wheel_writes_to_a_file_with_an_index(wheel, tmp_path):
    """On a Python that loads no extensions as well: sqlite-utils takes pysqlite3 where it is."""
    python = make_environment(tmp_path / "llm", wheel, "llm>=0.32", "pysqlite3-binary>=0.5.4")
    for name, script in (("search.py", SEARCH), ("by_llm.py", LLM)):
        (tmp_path / name).write_text(script)
        result = run(python, "-I", name, "words.db", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
    report = vecstore.check(tmp_path / "words.db")
    assert (report.problems, report.embeddings) == ([], 5)
    words = vecstore.Collection("words", tmp_path / "words.db")
    found = [entry.content for entry in words.similar_by_vector([1, 1, 1, 0, 1, 0, 0, 1], 2)]
    assert found == ["beach", "headache"]
    words.db.close()
