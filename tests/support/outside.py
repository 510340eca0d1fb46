"""Commands as a shell runs them: with nothing of the environment of the tests."""

import os
import subprocess
from pathlib import Path

OUTSIDE = dict(os.environ)  # before a fixture moves HOME, where pip keeps its cache
OUTSIDE.pop("PYTHONPATH", None)


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    arguments = [str(argument) for argument in command]
    return subprocess.run(arguments, cwd=cwd, env=OUTSIDE, capture_output=True, text=True)
