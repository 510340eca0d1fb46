"""How far a load or a check has come, on stderr, and what ^C does to a load."""

import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from time import monotonic
from typing import Any

import click

from ..loading.report import EmbedReport

INTERRUPTED = 130  # 128 + SIGINT, as shells count
SECONDS_A_LINE = 5  # where stderr is no terminal
SECONDS_OF_RATE = 20  # what was there already, at the start of a load, goes much faster

_log = logging.getLogger("vecstore")


class Progress:
    """Shows the number of rows so far, how many a second, and the time that remains.

    A bar in a terminal, and a line every few seconds elsewhere. Also, that a provider asks to wait.

    :param total: of the rows; None if that is not known
    :param label: what is done
    :param unit: what the rows are called
    """

    def __init__(
        self,
        total: int | None,
        *,
        quiet: bool,
        label: str = "Embedding",
        unit: str = "entries",
    ) -> None:
        self._total = total
        self._unit = unit
        self._quiet = quiet
        self._printed = monotonic()
        self._done = 0
        self._recent = deque([(self._printed, 0)])  # moments, and how many entries there were
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bar = _bar(total, label) if is_terminal and not quiet else None
        self._waits = _Waits(below="\n" if self._bar else "")

    def __enter__(self) -> "Progress":
        if not self._quiet:
            _log.addHandler(self._waits)
            _log.setLevel(logging.INFO)
        if self._bar:
            self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        _log.removeHandler(self._waits)
        _log.setLevel(logging.NOTSET)
        if self._bar:
            self._bar.__exit__(*error)

    def show(self, report: EmbedReport) -> None:
        """Show what a load has done so far."""
        self.reach(count(report))

    def reach(self, done: int) -> None:
        """Show that so many rows are done."""
        now = monotonic()
        before, self._done = self._done, done
        self._recent.append((now, self._done))
        while now - self._recent[0][0] > SECONDS_OF_RATE and len(self._recent) > 2:
            self._recent.popleft()
        if self._bar:
            self._bar.update(self._done - before, self._speed())
        elif not self._quiet and now - self._printed >= SECONDS_A_LINE:
            self._printed = now
            of_total = "" if self._total is None else f" of {self._total:,}"
            click.echo(f"{self._done:,}{of_total} {self._unit}, {self._speed()}", err=True)

    def _speed(self) -> str:
        """Return entries a second, of late, and with them the time that remains."""
        moment, done = self._recent[0]
        a_second = (self._done - done) / max(self._recent[-1][0] - moment, 0.001)
        if self._total is None:
            return f"{a_second:,.0f}/s"
        seconds = (self._total - self._done) / max(a_second, 0.001)
        return f"{a_second:,.0f}/s, {_time(seconds)} left"


@contextmanager
def showing(label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that takes how many rows are done, and how many there are, and shows that."""
    with ExitStack() as stack:
        begun: list[Progress] = []

        def show(done: int, total: int) -> None:
            if not begun:
                progress = Progress(total, quiet=False, label=label, unit="rows")
                begun.append(stack.enter_context(progress))
            begun[0].reach(done)

        yield show


class _Waits(logging.Handler):
    """Shows waits that a user would wonder about: one at a time, as all requests wait together."""

    def __init__(self, below: str) -> None:
        super().__init__()
        self._below = below  # a bar
        self._until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        seconds, now = getattr(record, "seconds", 0.0), monotonic()
        if seconds >= SECONDS_A_LINE and now >= self._until:
            self._until = now + seconds
            click.echo(f"{self._below}{record.getMessage()}", err=True)


class Interrupts:
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

    def __enter__(self) -> "Interrupts":
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._handle)
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

    def _handle(self, *_: object) -> None:
        if self.asked.is_set():
            # As by a kill, which loses nothing that was stored. The bar has hidden the cursor.
            os.write(2, b"\x1b[?25h\n" if os.isatty(2) else b"\n")
            os._exit(INTERRUPTED)
        self.asked.set()
        click.echo("\nStopping when the work in hand is stored; ^C again stops now", err=True)
        if self._reading:
            self._reading = False
            raise KeyboardInterrupt


def count(report: EmbedReport) -> int:
    """Return the number of entries that a load has dealt with."""
    return report.embedded + report.reused + report.updated + report.unchanged + report.failed


def _bar(total: int | None, label: str) -> Any:
    # Without a length, click wants something to iterate over, of which it cannot tell the length.
    endless: Iterator[None] = (None for _ in repeat(None))
    return click.progressbar(
        None if total is not None else endless,
        length=total,
        label=label,
        show_pos=True,
        show_percent=total is not None,
        show_eta=False,
        item_show_func=lambda rate: rate,
        file=sys.stderr,
    )


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
