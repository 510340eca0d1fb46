"""A load that a command runs: shown as it goes on, and ended by ^C with what to do then."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

import click

from ..errors import RejectedInputError, TemporaryError
from ..models import retries
from .load_interrupts import LoadInterrupts

_Done = TypeVar("_Done")


def run_load(
    interrupts: LoadInterrupts,
    progress: AbstractContextManager[object],
    load: Callable[[], _Done],
) -> _Done:
    """Return what a load does, whose input these interrupts watch.

    :raises KeyboardInterrupt: after a ^C, which was told what is stored
    """
    try:
        with interrupts, retries.stop_waiting_on(interrupts.asked), progress:
            return load()
    except RejectedInputError as error:
        raise click.ClickException(f"{error} (--on-error skip leaves it out)") from error
    except (KeyboardInterrupt, TemporaryError):
        if not interrupts.asked.is_set():
            raise
        click.echo("What was embedded is stored: the same command goes on from there", err=True)
        raise KeyboardInterrupt from None
