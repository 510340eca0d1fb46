"""`with` blocks that end although the function at their end is interrupted: interrupts.block."""

import _thread
import ast
import sys
import traceback
from contextlib import suppress
from operator import methodcaller
from pathlib import Path

import pytest

import vecstore
from vecstore.sqlite.connection import interrupts


class Signal:
    """Has ^C pressed where its attribute is read, which is no place where Python looks for it."""

    press = _thread.interrupt_main
    pressed = property(methodcaller("press"))


class Log(list):
    """What a block has done."""

    @interrupts.block
    def block(self):
        self.append("begin")
        try:
            yield self
            self.append("done")
        except BaseException:
            self.append("undone")
            raise


def test_a_block_that_ends_well_is_done():
    log = Log()
    with log.block() as given:
        given.append("work")
    assert log == ["begin", "work", "done"]


def test_an_exception_passes_through_a_block_as_it_was():
    log = Log()
    with pytest.raises(ZeroDivisionError) as caught, log.block():
        raise ZeroDivisionError
    assert log == ["begin", "undone"]
    own = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert own == ["test_an_exception_passes_through_a_block_as_it_was"]


def test_the_end_of_an_iterator_passes_through_a_block():
    log = Log()
    with pytest.raises(StopIteration), log.block():
        next(iter([]))
    assert log == ["begin", "undone"]


def test_a_block_can_raise_another_exception_and_can_swallow_one():
    @interrupts.block
    def other():
        try:
            yield
        except ZeroDivisionError as error:
            raise ValueError("zero") from error

    @interrupts.block
    def none():
        with suppress(ValueError):
            yield

    with pytest.raises(ValueError, match="zero") as caught, other():
        raise ZeroDivisionError
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with none(), other():
        raise ZeroDivisionError


def test_an_interrupt_at_the_end_of_a_block_undoes_it_while_the_exception_is_kept():
    log, signal = Log(), Signal()
    with pytest.raises(KeyboardInterrupt) as kept, log.block():
        log.append("work")
        signal.pressed  # noqa: B018
    assert log == ["begin", "work", "undone"]
    assert [frame.name for frame in traceback.extract_tb(kept.tb)][-1] == "_end"


def test_an_interrupt_at_the_end_of_a_block_in_another_undoes_both():
    log, signal = Log(), Signal()
    with pytest.raises(KeyboardInterrupt) as kept, log.block(), log.block():
        signal.pressed  # noqa: B018
    assert log == ["begin", "begin", "undone", "undone"]
    assert kept.value.__traceback__


@pytest.mark.parametrize("is_failing", [False, True])
def test_what_is_to_be_ended_is_ended_wherever_an_interrupt_comes(is_failing):
    def work(done):
        with interrupts.ending(lambda: done.append("end")):
            done.append("begun")
            if is_failing:
                raise ZeroDivisionError

    for number in range(1000):
        done, kept = [], None
        sys.setprofile(Interrupt(number))
        try:
            work(done)
        except (KeyboardInterrupt, ZeroDivisionError) as error:
            kept = error
        finally:
            sys.setprofile(None)
        assert done.count("begun") == 0 or done[-1] == "end"
        if not isinstance(kept, KeyboardInterrupt):
            break
    assert 5 < number < 50


class Interrupt:
    """A profile function that interrupts where a function of Python begins, or one of C is done."""

    def __init__(self, number):
        self._left = number

    def __call__(self, frame, event, _):
        # What is raised where a generator goes on would not go through its `try`, as ^C does.
        if event in ("call", "c_return") and frame.f_code.co_name != "ending":
            self._left -= 1
            if self._left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt


TREES = [
    ast.parse(file.read_text("utf-8")) for file in Path(vecstore.__file__).parent.rglob("*.py")
]


def nodes(kind, *trees):
    return [node for tree in trees or TREES for node in ast.walk(tree) if isinstance(node, kind)]


def name_of(node):
    """Return the last part of the name that is called, or decorates."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "attr", getattr(node, "id", None))


def decorated(name):
    return [f for f in nodes(ast.FunctionDef) if name in map(name_of, f.decorator_list)]


def test_blocks_are_begun_in_with_statements_alone():
    """What else would begin one, such as an ExitStack, would keep it when it is interrupted."""
    blocks = {function.name for function in decorated("block")}
    assert {"writing", "reading", "ending", "undoing"} <= blocks
    called = [call for call in nodes(ast.Call) if name_of(call) in blocks]
    begun = [item.context_expr for node in nodes(ast.With) for item in node.items]
    begun += [node.value for node in nodes(ast.Return)]  # for a `with` of the caller's
    kept = [call for call in nodes(ast.Call, *decorated("contextmanager")) if call in called]
    assert [ast.unparse(call) for call in called if call not in begun or call in kept] == []
