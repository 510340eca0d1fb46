"""Virtual environments with packages, and commands in them."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

OUTSIDE = dict(os.environ)  # before a fixture moves HOME, where pip keeps its cache
OUTSIDE.pop("PYTHONPATH", None)


def run(
    *command: object, cwd: Path, env: dict[str, str] = OUTSIDE
) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell does: with nothing of the environment of the tests."""
    arguments = [str(argument) for argument in command]
    return subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True)


def make_environment(folder: Path, *requirements: object, is_constrained: bool = True) -> Path:
    """Return the interpreter of a new environment that holds these, what they need, and no more.

    :param is_constrained: False takes releases that a file of constraints would not let in
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    # What is imported is compiled then, and most of what is installed is not.
    options = ["--retries", "1", "--quiet", "--no-compile"]
    env = {k: v for k, v in OUTSIDE.items() if is_constrained or k != "PIP_CONSTRAINT"}
    installed = run(*pip, "install", *options, *requirements, cwd=folder, env=env)
    if "connection broken" in installed.stderr:
        pytest.skip("pip cannot reach its index")
    assert installed.returncode == 0, installed.stderr
    return python
