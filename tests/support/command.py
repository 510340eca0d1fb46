"""Runs the command: in this process, and as one of its own."""

import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from vecstore.cli import cli

PROCESS = [sys.executable, "-m", "vecstore"]


def run(*args: object, **kwargs: Any) -> Result:
    """Run the command here; `kwargs` are those of CliRunner.invoke()."""
    return CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="vecstore", **kwargs)


def output(*args: object, **kwargs: Any) -> str:
    """Return what a command prints that is to succeed, and to have nothing to say on stderr."""
    result = run(*args, **kwargs)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def error(*args: object, **kwargs: Any) -> str:
    """Return the error, in one line, of a command that is to fail and to print nothing."""
    result = run(*args, **kwargs)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def usage_error(*args: object, **kwargs: Any) -> str:
    """Return the last line, and so the error, of a command that is called in a wrong way."""
    result = run(*args, **kwargs)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: vecstore ")
    return result.stderr.splitlines()[-1].removeprefix("Error: ")


def process(*args: object, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    return subprocess.run(
        [*PROCESS, *map(str, args)], capture_output=True, text=True, timeout=60, **kwargs
    )
