"""The plugin for Datasette: tests/datasette_plugin, run in environments with the extra.

They are environments of their own, as pysqlite3 there is what sqlite-utils uses, in all it does.
"""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.environments import make_environment, run

VERSIONS = {"0.65": "datasette>=0.65,<0.66", "1.0": "datasette>=1.0a41"}
MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    built = run(*build, cwd=ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module", params=VERSIONS)
def python(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The interpreter of an environment with the wheel, its extra, and that Datasette."""
    folder = tmp_path_factory.mktemp(f"datasette-{request.param}")
    needed = [f"{wheel}[datasette,local]", VERSIONS[request.param], "pytest", "selenium"]
    return make_environment(folder, *needed)


def run_tests(python: Path, *arguments: str) -> None:
    """Run tests with another interpreter; `datasette` in them is the command of its environment."""
    options = ["-q", "-p", "no:cacheprovider", "--tb=short"]
    result = run(python, "-m", "pytest", *options, *arguments, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_wheel_has_the_plugin_with_its_templates_and_its_stylesheet(python):
    script = (
        "from pathlib import Path; import vecstore.datasette_plugin as plugin;"
        "folder = Path(plugin.__file__).parent;"
        "files = [*folder.glob('templates/*'), *folder.glob('static/*')];"
        "print(folder, *sorted(file.name for file in files))"
    )
    result = run(python, "-I", "-c", script, cwd=python.parent)
    folder, *files = result.stdout.split()
    assert Path(folder).is_relative_to(python.parent.parent)
    names = [
        "vecstore.css",
        "vecstore_box.html",
        "vecstore_collections.html",
        "vecstore_similar.html",
    ]
    assert files == names


def test_the_plugin_works(python):
    run_tests(python, "tests/datasette_plugin", "--ignore=tests/datasette_plugin/test_browser.py")


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {' and '.join(MISSING)}")
def test_the_page_works_in_chromium(python):
    run_tests(python, "tests/datasette_plugin/test_browser.py")
