"""How far a load or a check has come, on stderr."""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from time import monotonic
from typing import Any

import click

from ..loading.report import EmbedReport
from ..sqlite.index.build_progress import show_build_progress

SECONDS_A_LINE = 5  # where stderr is no terminal
SECONDS_OF_RATE = 20  # what was there already, at the start of a load, goes much faster

_log = logging.getLogger("vecstore")


class ProgressLine:
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
        self._bar = _make_bar(total, label) if is_terminal and not quiet else None
        self._waits = _WaitNotices(below="\n" if self._bar else "")

    def __enter__(self) -> "ProgressLine":
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

    def show_report(self, report: EmbedReport) -> None:
        """Show what a load has done so far."""
        self.show_done(count_done(report))

    def show_done(self, done: int) -> None:
        """Show that so many rows are done."""
        now = monotonic()
        before, self._done = self._done, done
        self._recent.append((now, self._done))
        while now - self._recent[0][0] > SECONDS_OF_RATE and len(self._recent) > 2:
            self._recent.popleft()
        if self._bar:
            self._bar.update(self._done - before, self._describe_speed())
        elif not self._quiet and now - self._printed >= SECONDS_A_LINE:
            self._printed = now
            of_total = "" if self._total is None else f" of {self._total:,}"
            click.echo(f"{self._done:,}{of_total} {self._unit}, {self._describe_speed()}", err=True)

    def _describe_speed(self) -> str:
        """Return entries a second, of late, and with them the time that remains."""
        moment, done = self._recent[0]
        a_second = (self._done - done) / max(self._recent[-1][0] - moment, 0.001)
        if self._total is None:
            return f"{a_second:,.0f}/s"
        seconds = (self._total - self._done) / max(a_second, 0.001)
        return f"{a_second:,.0f}/s, {_format_time(seconds)} left"


@contextmanager
def show_progress(label: str, unit: str = "rows") -> Iterator[Callable[[int, int], None]]:
    """Give a function that takes how many rows are done, and how many there are, and shows that."""
    with ExitStack() as stack:
        begun: list[ProgressLine] = []

        def show(done: int, total: int) -> None:
            if not begun:
                progress = ProgressLine(total, quiet=False, label=label, unit=unit)
                begun.append(stack.enter_context(progress))
            begun[0].show_done(done)

        yield show


@contextmanager
def show_index_builds() -> Iterator[None]:
    """Show in a block how far an index has come that is built on the way."""
    with show_progress("Building the index") as show:
        token = show_build_progress.set(show)
        try:
            yield
        finally:
            show_build_progress.reset(token)


class _WaitNotices(logging.Handler):
    """Shows warnings, and waits that a user would wonder about.

    Of these one at a time, as all requests wait together.
    """

    def __init__(self, below: str) -> None:
        super().__init__()
        self._below = below  # a bar
        self._until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        seconds, now = getattr(record, "seconds", None), monotonic()
        if seconds is None:
            if record.levelno >= logging.WARNING:
                click.echo(f"{self._below}{record.getMessage()}", err=True)
        elif seconds >= SECONDS_A_LINE and now >= self._until:
            self._until = now + seconds
            click.echo(f"{self._below}{record.getMessage()}", err=True)


def count_done(report: EmbedReport) -> int:
    """Return the number of entries that a load has dealt with."""
    written = report.embedded + report.reused + report.updated + report.added
    return written + report.unchanged + report.failed


def _make_bar(total: int | None, label: str) -> Any:
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


def _format_time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
