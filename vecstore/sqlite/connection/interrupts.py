"""`with` blocks that are ended, wherever a KeyboardInterrupt comes.

Python raises it where a function begins, a loop goes on or a call of C returns: also where a `with`
statement calls an __exit__() that is written in Python, or a `finally` its first function, which
then does nothing. A transaction would stay open, and its lock held, for as long as somebody keeps
the exception, as a notebook does: its traceback refers to the frame of __exit__(), and so to all
that this knows.

A block made here is a generator, and what `with` calls are functions of C, which nothing interrupts
at their beginning. The one at the end calls a function of Python that refers to the generator only
weakly. If that one is interrupted, nobody refers to the generator any more, and Python closes it at
once: what it has begun is undone, as after an exception in the block.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial, wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

Result = TypeVar("Result")
_Parameters = ParamSpec("_Parameters")


def block(
    function: Callable[_Parameters, Iterator[Result]],
) -> Callable[_Parameters, AbstractContextManager[Result]]:
    """Do what contextlib.contextmanager() does, with an end that no interrupt prevents.

    The generator may be closed at its `yield`: that is an exception, and no success. Begin blocks
    in `with` statements alone, and give them no other name: they would live on in a variable.
    """

    @wraps(function)
    def begin(*args: _Parameters.args, **options: _Parameters.kwargs) -> Any:
        steps: Any = function(*args, **options)
        end: Any = partial(_end, weakref.ref(steps))
        end.steps = steps  # which lives as long as the `with` statement has its end to call
        made = _Block()
        made.__enter__, made.__exit__ = steps.__next__, end
        return made

    return begin


class _Block:
    """The two functions that a `with` statement takes from it before it calls the first."""

    __slots__ = ("__enter__", "__exit__")

    __enter__: Any
    __exit__: Any


@block
def ending(end: Callable[[], object]) -> Iterator[None]:
    """Call a function after a block: twice if one of them raises, as it may be interrupted."""
    try:
        try:
            yield
        finally:
            end()
    except BaseException:
        end()
        raise


@block
def undoing(undo: Callable[[], object]) -> Iterator[None]:
    """Call a function after a block that raises: twice, as it may be interrupted."""
    try:
        try:
            yield
        except BaseException:
            undo()
            raise
    except BaseException:
        undo()
        raise


def _end(
    steps: Callable[[], Any],
    _kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> bool:
    """Have a generator go on after its block, and return whether it takes an exception from it.

    :param steps: gives the generator, which no variable refers to
    """
    if error is None:
        next(steps(), None)
        return False
    try:
        steps().throw(error)
    except StopIteration:
        return True
    except BaseException as raised:
        is_hidden = isinstance(error, StopIteration) and raised.__cause__ is error  # PEP 479
        if raised is not error and not is_hidden:
            raise
        error.__traceback__ = traceback  # without this function
    return False
