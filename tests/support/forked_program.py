"""A program that is imported once, for many commands, each of which is a process nevertheless.

It is run as python -m tests.support.forked_program PROGRAM. For each line that it reads, it forks;
the fork does what python -m PROGRAM does, and its exit code is the line that answers.
"""

import importlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path


class ForkedProgram:
    """Runs the commands of a program, which has the environment of this process otherwise."""

    def __init__(self, program: str, folder: Path, **environment: str) -> None:
        self._program = program
        self._environment = environment
        self._streams = [folder / name for name in ("stdin", "stdout", "stderr")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked_program", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def run(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        for path, text in zip(self._streams, (input, "", ""), strict=True):
            path.write_text(text)
        command = {
            "arguments": arguments,
            "environment": {**os.environ, **self._environment},
            "streams": [str(path) for path in self._streams],
        }
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        _, stdout, stderr = (path.read_text() for path in self._streams)
        return subprocess.CompletedProcess([self._program, *arguments], code, stdout, stderr)

    def close(self) -> None:
        self._process.communicate()


def serve(program: str) -> None:
    if not os.environ.get("SQLITE_UTILS_PLUGINS"):
        sys._called_from_test = True  # as sqlite-utils has it, which then loads no plugins
    importlib.import_module(f"{program}.cli")
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            become(program, **json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(
    program: str, arguments: list[str], environment: dict[str, str], streams: list[str]
) -> None:
    """Make this process the program, whose end is its own."""
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in enumerate(streams):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, descriptor)
        os.close(file)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(sys.argv[1])
