"""What ^C does to a load."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import click

INTERRUPTED = 130  # 128 + SIGINT, as shells count


class LoadInterrupts:
    """Makes ^C end a load when what the model was asked for is stored; a second ^C ends it at once.

    KeyboardInterrupt is raised only where the input is read, when no row is being written. A
    process that was started to ignore ^C goes on ignoring it.

    Attributes:
        read: how many entries `watch()` has given
        asked: set by a ^C
    """

    def __init__(self) -> None:
        self.read = 0
        self.asked = threading.Event()
        self._reading = False

    def __enter__(self) -> "LoadInterrupts":
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._stop_load)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def watch(self, entries: Iterable[Any]) -> Iterator[Any]:
        """Yield the entries; KeyboardInterrupt after a ^C."""
        iterator = iter(entries)
        while True:
            self._reading = True
            if self.asked.is_set():
                raise KeyboardInterrupt
            entry = next(iterator, None)
            self._reading = False
            if entry is None:
                return
            self.read += 1
            yield entry

    def _stop_load(self, *_: object) -> None:
        if self.asked.is_set():
            # As by a kill, which loses nothing that was stored. The bar has hidden the cursor.
            os.write(2, b"\x1b[?25h\n" if os.isatty(2) else b"\n")
            os._exit(INTERRUPTED)
        self.asked.set()
        click.echo("\nStopping when the work in hand is stored; ^C again stops now", err=True)
        if self._reading:
            self._reading = False
            raise KeyboardInterrupt
