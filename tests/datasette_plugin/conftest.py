"""Sites for the tests in an environment with Datasette: see tests/test_datasette.py."""

import asyncio
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

import vecstore
from vecstore.models.hooks import pm

VIEW = "select id, content, metadata from embeddings"
VECTORS = {
    "hound": "1 0 0 0 0 0 0 0",
    "wolf": "9 1 0 0 0 0 0 0",
    "cat": "2 1 1 0 0 0 0 0",
    "fish": "0 1 5 1 0 0 0 0",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Datasette has its own warnings, and leaves connections to the garbage collector."""
    for item in items:
        if "datasette_plugin" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


class Numbers(vecstore.EmbeddingModel):
    """Embeds "1 0" as these numbers, counts its calls, and fails as it is told."""

    model_id = "numbers"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.seconds = 0.0

    def embed_batch(self, items):
        for text in items:
            self.asked.append(text)
            time.sleep(self.seconds)
            if self.failure:
                raise self.failure
            yield [float(number) for number in text.split()]


@pytest.fixture
def numbers(monkeypatch) -> Iterator[Numbers]:
    """The model, installed as a plugin would install it."""
    from vecstore.datasette_plugin import embedding

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
def animals(tmp_path: Path, numbers: Numbers) -> Path:
    """A file with a collection of four animals."""
    path = tmp_path / "zoo.db"
    make(path, "animals", [(id, VECTORS[id], {"legs": 4}) for id in VECTORS])
    numbers.asked.clear()
    return path


def make(path: Path, name: str, entries: list[tuple], model: object = None) -> None:
    """Write a collection of (id, content, metadata), and close the file."""
    db = vecstore.connect(path)
    collection = vecstore.Collection(name, db, model=model or Numbers())
    collection.embed_multi_with_metadata(entries, store=True)
    db.close()


def read(path: Path, function):
    """Return what a function makes of a Database, and close that."""
    db = vecstore.connect(path)
    try:
        return function(db)
    finally:
        db.close()


class Page(HTMLParser):
    """What a test asks of a page: its links by their text, its texts, its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self._href: str | None = None
        self._label = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "a":
            self._href, self._label = dict(attrs).get("href"), ""

    def handle_endtag(self, tag):
        if tag == "a" and self._href is not None:
            self.links.append((self._label.strip(), self._href))
            self._href = None

    def handle_data(self, data):
        self._label += data
        self.texts.append(data)

    def hrefs(self, label: str) -> list[str]:
        return [href for text, href in self.links if text == label]


@dataclass
class Site:
    """A Datasette in this process, asked as its own tests do."""

    datasette: object
    loop: asyncio.AbstractEventLoop

    def get(self, path: str, actor: dict | None = None, **arguments):
        cookies = {}
        if actor:
            cookies["ds_actor"] = self.datasette.sign({"a": actor}, "actor")
        client = self.datasette.client
        return self.loop.run_until_complete(client.get(path, cookies=cookies, **arguments))

    def get_as_it_is(self, path: str):
        """Ask for a path that has the prefix of base_url already."""
        asked = self.datasette.client.request("get", path, avoid_path_rewrites=True)
        return self.loop.run_until_complete(asked)

    def page(self, path: str, **arguments) -> Page:
        response = self.get(path, **arguments)
        assert response.status_code == 200, response.text
        return Page(response.text)

    def json(self, path: str, **arguments):
        response = self.get(path, **arguments)
        assert response.status_code == 200, response.text
        return response.json()


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


ALLOW_EMBED = {"plugins": {"vecstore": {"allow_embed": True}}}


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


def fetch(address: str) -> tuple[int, str]:
    """Return the status and the body of an address."""
    try:
        with urllib.request.urlopen(address) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
