"""What an ordinary user may do, in a process that is root's."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

import vecstore
from vecstore.sqlite.connection.opening import can_load_extensions, sqlite3

_NOBODY = 65534

only_root_is_two_users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Be nobody in the block, if we are root, whom no permission keeps from anything."""
    if os.geteuid():
        yield
        return
    with ExitStack() as opened:
        for driver in ["apsw", "sqlite3"] if can_load_extensions(sqlite3) else ["apsw"]:
            # As long as it is open, sqlite-vec stays loaded: nobody may not be able to read it.
            opened.enter_context(closing(vecstore.connect(driver=driver)))
        os.setresuid(_NOBODY, _NOBODY, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)
