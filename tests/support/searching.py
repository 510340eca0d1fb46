"""A process that has a file open, and searches it when told to: python -m tests.support.searching

It reads "open PATH DRIVER" and "search", a line each, and answers with "ok", or what went wrong.
"""

import subprocess
import sys
import traceback

import vecstore
from tests.support import ROOT
from tests.support.beside import assert_searches, small_partitions


class SearchingProcess:
    """Another process, with one file at a time."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "tests.support.searching"]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)

    def open(self, path: object, driver: str) -> None:
        """Open a file, and search it, so that it has the index open."""
        self._tell(f"open {path} {driver}")
        self.search()

    def search(self) -> None:
        """Have it compare its searches with brute force."""
        self._tell("search")

    def close(self) -> None:
        self._process.communicate()

    def _tell(self, line: str) -> None:
        self.begin(line)
        self.end()

    def begin(self, line: str) -> None:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        assert self._process.stdout.readline() == "ok\n"


def serve() -> None:
    db = None
    for line in sys.stdin:
        command, *args = line.split()
        try:
            if command == "open":
                if db is not None:
                    db.close()
                db = vecstore.connect(args[0], driver=args[1])
            else:
                assert_searches(db)
            answer = "ok"
        except Exception:
            answer = repr(traceback.format_exc())
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with small_partitions():
        serve()
