"""A file of root's, and a reader that may not write beside it."""

from contextlib import closing

import pytest

import vecstore
from tests.support.databases import LOADS_EXTENSIONS
from tests.support.ordinary_user import as_an_ordinary_user
from tests.support.roots_writer import Writer

DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]


@pytest.fixture(scope="module")
def writer():
    with closing(Writer()) as made:
        yield made


@pytest.fixture
def path(writer, public_folder):
    """A file of root's, in a folder of root's."""
    folder = public_folder / "folder"
    folder.mkdir()
    writer(folder / "docs.db", "session", 0)
    return folder / "docs.db"


@pytest.fixture(params=DRIVERS)
def reader(request, path, closing):
    """A Database of an ordinary user, who this process is meanwhile."""
    with as_an_ordinary_user():
        db = vecstore.connect(path, driver=request.param, read_only=True)
        yield closing(db)
        db.close()
