"""Released programs, each in an environment of its own, which have never heard of vecstore."""

import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT
from tests.support.environments import OUTSIDE, make_environment

# An llm, and what pip would have taken for it then.
LLMS = {
    "0.9": "llm==0.9 sqlite-utils==3.35.1 sqlite-migrate==0.1a2 pydantic<2.5 click<8.2 openai<1",
    "0.12": "llm==0.12 sqlite-utils==3.35.2 sqlite-migrate==0.1a2 click<8.2 openai<2 httpx<0.28",
    "0.27": "llm==0.27.1 sqlite-utils==3.38 sqlite-migrate==0.1b0 click<8.2 openai<2 httpx",
    "0.36": "llm==0.36 sqlite-utils==4.2.1",
}
DATASETTES = {"0.65": "datasette>=0.65,<0.66", "1.0": "datasette>=1.0a41"}
_NAMES_IN_0_9 = {"list": ["embed-db", "collections"], "delete": ["embed-db", "delete-collection"]}


def make_environments(folder: Path, requirements: dict[str, str]) -> dict[str, Path]:
    """Return the interpreter of an environment for each release."""
    found = {}
    for release, packages in requirements.items():
        (folder / release).mkdir(parents=True)
        found[release] = make_environment(
            folder / release, "setuptools<80", *packages.split(), is_constrained=False
        )
    return found


class ReleasedProgram:
    """A program of one of these environments, anew each time, as ForkedProgram for neighbours."""

    def __init__(
        self, module: str, pythons: dict[str, Path], plugins: Path, chance: random.Random
    ) -> None:
        self._module = module
        self._pythons = pythons
        self._environment = {
            **OUTSIDE,
            "PYTHONPATH": os.pathsep.join([str(plugins), str(ROOT)]),
            "LLM_LOAD_PLUGINS": "neighbour",
            "LLM_USER_PATH": str(plugins / "llm"),
        }
        self._chance = chance

    def run(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        releases = list(self._pythons)
        # In a file with any view of a table, older sqlite-utils cannot transform that table.
        release = releases[-1] if arguments[0] == "transform" else self._chance.choice(releases)
        if release == "0.9" and arguments[0] == "collections":
            command, *rest = _NAMES_IN_0_9[arguments[1]], *arguments[2:]
            arguments = (*command, *rest)
        command = [self._pythons[release], "-m", self._module, *arguments]
        result = subprocess.run(
            command, input=input, env=self._environment, capture_output=True, text=True
        )
        result.args = [release, *arguments]
        return result


@contextmanager
def datasette(python: Path, path: str) -> Iterator[str]:
    """Have Datasette serve a file, and give the address of the database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "-m", "datasette", "serve", path, "--port", str(port)]
    with subprocess.Popen(
        command, env=OUTSIDE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None:
                try:
                    urllib.request.urlopen(f"{address}/-/versions.json").close()
                    break
                except urllib.error.URLError:
                    time.sleep(0.05)
            assert process.poll() is None, process.stdout.read()
            yield f"{address}/{Path(path).stem}"
        finally:
            process.terminate()
