"""Computes related items and is killed: python -m tests.support.related_killed PATH DRIVER NUMBER.

It prints a line when it begins, and one for each portion that is written.
"""

import sys
from contextlib import closing

import vecstore
from tests.support.killed import say
from vecstore.sqlite.related import proposals

PORTION = 20


def main(path: str, driver: str, number: str) -> None:
    proposals._BLOCK_ITEMS = PORTION
    with closing(vecstore.connect(path, driver=driver)) as db:
        say(-1)
        vecstore.Collection("test", db, create=False).related_table(
            int(number), progress=lambda done, total: say(done)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
