"""How far a load has come, on stderr, and what ^C does to it."""

import logging
import signal
import sys
from collections.abc import Iterable, Iterator
from itertools import repeat
from time import monotonic
from types import TracebackType
from typing import Any

import click

from ..upsert import EmbedReport

SECONDS_A_LINE = 5  # where stderr is no terminal

_log = logging.getLogger("vecstore")


class Progress:
    """Shows the number of entries so far, how many a second, and the time that remains.

    A bar in a terminal, and a line every few seconds elsewhere. Also, that a provider asks to wait.

    :param total: of the entries; None if that is not known
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._total = total
        self._quiet = quiet
        self._started = self._printed = monotonic()
        self._done = 0
        self._bar = None
        self._waits = _Waits()
        if sys.stderr.isatty() and not quiet:
            self._bar = _bar(total)

    def __enter__(self) -> "Progress":
        if not self._quiet:
            _log.addHandler(self._waits)
            _log.setLevel(logging.INFO)
        if self._bar:
            self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _log.removeHandler(self._waits)
        _log.setLevel(logging.NOTSET)
        if self._bar:
            self._bar.__exit__(kind, error, traceback)

    def show(self, report: EmbedReport) -> None:
        """Show what a load has done so far."""
        before, self._done = self._done, count(report)
        if self._bar:
            self._bar.update(self._done - before, self._rate())
        elif not self._quiet and monotonic() - self._printed >= SECONDS_A_LINE:
            self._printed = monotonic()
            click.echo(self._line(), err=True)

    def _rate(self) -> str:
        return f"{self._a_second():,.0f}/s"

    def _a_second(self) -> float:
        return self._done / max(monotonic() - self._started, 0.001)

    def _line(self) -> str:
        if self._total is None:
            return f"{self._done:,} entries, {self._rate()}"
        seconds = (self._total - self._done) / max(self._a_second(), 0.001)
        return f"{self._done:,} of {self._total:,} entries, {self._rate()}, {_time(seconds)} left"


class _Waits(logging.Handler):
    """Shows waits that a user would wonder about: one at a time, as all requests wait together."""

    def __init__(self) -> None:
        super().__init__()
        self._until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        seconds, now = getattr(record, "seconds", 0.0), monotonic()
        if seconds >= SECONDS_A_LINE and now >= self._until:
            self._until = now + seconds
            click.echo(f"\n{record.getMessage()}", err=True)


class Interrupts:
    """Makes ^C end a load when what the model was asked for is stored; a second ^C ends it at once.

    A load that embeds in threads sees to that by itself when it gets a KeyboardInterrupt. One that
    embeds in the main thread gets it only while the input is read, when no batch is in hand.
    """

    def __init__(self, *, in_threads: bool) -> None:
        self._in_threads = in_threads
        self._asked = False
        self._reading = False

    def __enter__(self) -> "Interrupts":
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def watch(self, entries: Iterable[Any]) -> Iterator[Any]:
        """Yield the entries; KeyboardInterrupt after a ^C."""
        iterator = iter(entries)
        while True:
            self._reading = True
            if self._asked:
                raise KeyboardInterrupt
            entry = next(iterator, None)
            self._reading = False
            if entry is None:
                return
            yield entry

    def _handle(self, *_: object) -> None:
        is_second, self._asked = self._asked, True
        if not is_second:
            click.echo("\nStopping when the work in hand is stored; ^C again stops now", err=True)
        if is_second or self._reading or self._in_threads:
            raise KeyboardInterrupt


def count(report: EmbedReport) -> int:
    """Return the number of entries that a load has dealt with."""
    return report.embedded + report.reused + report.updated + report.unchanged + report.failed


def _bar(total: int | None) -> Any:
    # Without a length, click wants something to iterate over, of which it cannot tell the length.
    endless: Iterator[None] = (None for _ in repeat(None))
    return click.progressbar(
        None if total is not None else endless,
        length=total,
        label="Embedding",
        show_pos=True,
        show_percent=total is not None,
        item_show_func=lambda rate: rate,
        file=sys.stderr,
    )


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
