"""Sites for the tests in an environment with Datasette: see tests/test_datasette.py."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vecstore
from tests.support.sites import VECTORS, Numbers, Site, make, python_answer
from vecstore.datasette_plugin import embedding
from vecstore.models.hooks import pm
from vecstore.settings import IndexForm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Datasette has its own warnings, and leaves connections to the garbage collector."""
    for item in items:
        if "datasette_plugin" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="module", autouse=True)
def heap(small_heap: None) -> None:
    """A small one: each file that is opened has the guard look through all that Python has."""


@pytest.fixture
def numbers(monkeypatch) -> Iterator[Numbers]:
    """The model, installed as a plugin would install it."""
    model = Numbers()

    class Plugin:
        @vecstore.hookimpl
        def register_embedding_models(self, register):
            register(model)

    plugin = Plugin()
    pm.register(plugin)
    embedding._vectors.clear()
    yield model
    pm.unregister(plugin)


@pytest.fixture
def form() -> IndexForm:
    """Where the index of a file is; a module of tests may have others."""
    return "inside"


@pytest.fixture
def animals(tmp_path: Path, numbers: Numbers, form: IndexForm, monkeypatch) -> Path:
    """A file with a collection of four animals, whose index is there and in step."""
    path = tmp_path / "zoo.db"
    monkeypatch.setenv("VECSTORE_INDEX", form)
    make(path, "animals", [(id, VECTORS[id], {"legs": 4}) for id in VECTORS])
    python_answer(path, "similar_by_id", "hound")
    numbers.asked.clear()
    return path


@pytest.fixture
def site():
    """A function that makes a Site of files and a configuration."""
    from datasette.app import Datasette
    from datasette.version import __version_info__

    configuration = "metadata" if __version_info__[0] == "0" else "config"
    opened = []

    def start(*files, config=None, **arguments) -> Site:
        if config is not None:
            arguments[configuration] = config
        datasette = Datasette([str(file) for file in files], **arguments)
        opened.append(Site(datasette, asyncio.new_event_loop()))
        opened[-1].loop.run_until_complete(datasette.invoke_startup())
        return opened[-1]

    yield start
    for site in opened:
        for db in site.datasette.databases.values():
            db.close()
        site.loop.run_until_complete(site.loop.shutdown_default_executor())
        site.loop.close()


@pytest.fixture
def serve(tmp_path: Path):
    """A function that runs `datasette` with arguments, and returns its address."""
    processes = []

    def start(*arguments: object) -> str:
        command = [Path(sys.executable).with_name("datasette"), *arguments, "-p", "0"]
        log = tmp_path / f"{len(processes)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path)
        processes.append(process)
        for _ in range(600):
            found = re.search(r"running on (http://\S+)", log.read_text())
            if found:
                return found[1]
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    yield start
    for process in processes:
        process.terminate()
        process.wait()
