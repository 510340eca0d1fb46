"""A command in a terminal, where it asks, and an answer is typed."""

import os
import pty
import select
import subprocess
import sys
from contextlib import suppress
from typing import NamedTuple

CTRL_C, CTRL_D = b"\x03", b"\x04"

# Makes its standard input the terminal that ^C comes from, and then is another program.
_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Answered(NamedTuple):
    """What was shown to the end of the question, the exit code, and what was shown after it."""

    question: str
    exit_code: int
    after: str


def answer_question(command: list[str], answer: bytes) -> Answered:
    """Run a command in a terminal, and type the answer when the question is there."""
    terminal, inside = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", _IN_TERMINAL, *command],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    shown = b""
    while not shown.endswith(b"[y/N]: "):
        shown += os.read(terminal, 1024)
    os.write(terminal, answer)
    after = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while chunk := _read(terminal, answer):
            after += chunk
    os.close(terminal)
    return Answered(_plain(shown), running.wait(), _plain(after))


def _read(terminal: int, answer: bytes) -> bytes:
    """Return what is shown next; Python can miss a signal in the moment when it starts to read."""
    while answer == CTRL_C and not select.select([terminal], [], [], 1)[0]:
        os.write(terminal, answer)
    return os.read(terminal, 1024)


def _plain(shown: bytes) -> str:
    return shown.decode().replace("\r", "")
