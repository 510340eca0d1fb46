"""A context whose errors go through a function: where one library's errors become another's."""

from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType


class ErrorHandler(ContextDecorator):
    """A context, or decorator, that calls a function with what is raised in it.

    The function raises what is to be raised instead, or returns to leave it as it is.
    """

    def __init__(self, handle: Callable[[BaseException], None]) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            try:
                self._handle(error)
            finally:
                # An exception that its own traceback refers to would keep statements, and so
                # their locks, until the garbage collector comes by.
                del error, traceback
