"""Sites with a page for Datasette: their files, their model, and what a test asks of them."""

import asyncio
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from sqlite_utils.utils import sqlite3  # what Datasette uses

import vecstore
from vecstore.chunks import document_of

VECTORS = {
    "hound": "1 0 0 0 0 0 0 0",
    "wolf": "9 1 0 0 0 0 0 0",
    "cat": "2 1 1 0 0 0 0 0",
    "fish": "0 1 5 1 0 0 0 0",
}


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


def write(path: Path, sql: str) -> None:
    """Write as a program does that knows nothing of vecstore."""
    conn = sqlite3.connect(path)
    conn.execute(sql)
    conn.commit()
    conn.close()


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


ALLOW_EMBED = {"plugins": {"vecstore": {"allow_embed": True}}}


def fetch(address: str) -> tuple[int, str]:
    """Return the status and the body of an address."""
    try:
        with urllib.request.urlopen(address) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


PAGE = "/zoo/-/similar/animals"


def python_answer(path, method, *arguments, **keywords):
    """Return what a method of the collection says, as the rows of the page's JSON."""

    def ask(db):
        collection = vecstore.Collection("animals", db, model=Numbers())
        entries = getattr(collection, method)(*arguments, **keywords)
        return [{**vars(e), "document": document_of(e.id, e.metadata)} for e in entries]

    return read(path, ask)
