"""What has to be ended is ended, wherever a KeyboardInterrupt comes.

Python raises it where a function begins, a loop goes on or a call of C returns: also where a `with`
statement calls __exit__(), or a `finally` its first function, which then does nothing. A
transaction would stay open, and its lock held. So here, and in what uses this, work is a function
that is called.
"""

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def run(work: Callable[[], Result], *, end: Callable[[], object]) -> Result:
    """Return what `work` returns, and call `end` after it: twice, if `work` or `end` raises."""
    try:
        try:
            return work()
        finally:
            end()
    except BaseException:
        end()
        raise


def run_or_undo(work: Callable[[], Result], *, undo: Callable[[], object]) -> Result:
    """Return what `work` returns; if it raises, call `undo`, twice as that may be interrupted."""
    try:
        try:
            return work()
        except BaseException:
            undo()
            raise
    except BaseException:
        undo()
        raise
