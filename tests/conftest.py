"""One database, over every kind of connection there is; models whose vectors are exact."""

import gc
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

import vecstore
from tests.support.databases import KINDS
from tests.support.every_kind import Originals
from tests.support.models import Failing, Pseudorandom, WordLengths
from tests.support.openai_server import OpenAIServer, server_in_environment

# Started in the background of a script, this process and all that it starts would ignore ^C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def outside_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep a test out of the user's home, away from real services, and from long waits."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("VECSTORE_USER_PATH", str(home / "vecstore"))
    monkeypatch.setenv("LLM_USER_PATH", str(home / "llm"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "VECSTORE_DB", "VECSTORE_EMBEDDING_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vecstore.models.retries, "FIRST_WAIT", 0.001)


@pytest.fixture(scope="module")
def small_heap() -> Iterator[None]:
    """What the tests before a module have left is no garbage, and need not be looked through."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def closing() -> Iterator[Callable[[Database], Database]]:
    """A function that has a Database closed at the end of the test, and returns it."""
    opened: list[Database] = []

    def close_later(db: Database) -> Database:
        opened.append(db)
        return db

    yield close_later
    for db in opened:
        db.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "test.db")


@pytest.fixture(params=KINDS)
def open_db(
    request: pytest.FixtureRequest, closing: Callable[[Database], Database]
) -> Callable[[str], Database]:
    """A function that opens a file through one kind of connection."""
    return lambda path: closing(KINDS[request.param](path))


@pytest.fixture
def db(open_db: Callable[[str], Database], path: str) -> Database:
    """An empty file, through each kind of connection."""
    return open_db(path)


@pytest.fixture
def model() -> WordLengths:
    return WordLengths()


@pytest.fixture
def collection(db: Database, model: WordLengths) -> vecstore.Collection:
    return vecstore.Collection("test", db, model=model)


@pytest.fixture
def registered(model: WordLengths) -> Iterator[WordLengths]:
    """The fake model, installed as a plugin would install it."""
    from vecstore.models.hooks import pm

    class Plugin:
        @vecstore.hookimpl
        def register_embedding_models(self, register):
            register(model, aliases=("words",))

    plugin = Plugin()
    pm.register(plugin, name="tests")
    yield model
    pm.unregister(plugin)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that others may read; pytest's own are for one user alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    """Files of every kind."""
    return Originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def pseudorandom_installed() -> Iterator[None]:
    """The model of these files, installed as a plugin would install it."""
    from vecstore.models.hooks import pm

    class Plugin:
        @vecstore.hookimpl
        def register_embedding_models(self, register):
            register(Pseudorandom())

    pm.register(Plugin(), name="pseudorandom")
    yield
    pm.unregister(name="pseudorandom")


@pytest.fixture
def failing(registered: WordLengths, monkeypatch: pytest.MonkeyPatch) -> WordLengths:
    """The model "words", which fails; set its `failure`."""
    monkeypatch.setattr(registered, "__class__", Failing)
    return registered


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server that the environment names as OpenAI's."""
    with server_in_environment(monkeypatch) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL with pgvector, which runs while these tests do."""
    from tests.support.postgres_server import server_url  # psycopg is an extra

    with server_url() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    from tests.support.postgres_server import database_of

    with database_of(postgres_server) as url:
        yield url
