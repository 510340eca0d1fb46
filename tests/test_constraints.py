"""The versions that .ci/run installs: of everything that it asks for, and for every Python."""

import re
import sys

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import audit
from tests.support import ROOT

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
NOT_IN_CI = {"bench", "bench-sentences", "fuzz"}  # groups

pytestmark = pytest.mark.skipif(not audit.CONSTRAINTS.exists(), reason="no .ci, as in an sdist")


@pytest.fixture(scope="module")
def pinned() -> list[Requirement]:
    lines = audit.CONSTRAINTS.read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def wanted() -> list[str]:
    """Return what pyproject.toml asks for, where .ci/run installs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    lists = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *(groups[name] for name in groups.keys() - NOT_IN_CI),
    ]
    return sorted({text for texts in lists for text in texts if isinstance(text, str)})


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("text", wanted())
def test_what_is_asked_for_is_pinned_to_what_will_do(pinned, text, python):
    requirement = Requirement(text)
    here = {**default_environment(), "python_version": python, "python_full_version": f"{python}.9"}
    environment = {name: str(value) for name, value in here.items()}
    if requirement.marker and not requirement.marker.evaluate(environment):
        return
    found = [
        pin
        for pin in pinned
        if canonicalize_name(pin.name) == canonicalize_name(requirement.name)
        and (pin.marker is None or pin.marker.evaluate(environment))
    ]
    assert len(found) == 1, f"run .ci/pin: {text} is not in .ci/constraints.txt"
    [version] = re.findall(r"[=>]=([^,;]+)", str(found[0].specifier))
    assert requirement.specifier.contains(version, prereleases=True)


def test_one_version_is_pinned_of_each_but_datasette(pinned):
    loose = {pin.name for pin in pinned if not str(pin.specifier).startswith("==")}
    assert loose == {"datasette"}


def package(name, vulns=()):
    found = [{"id": id, "fix_versions": fixed} for id, fixed in vulns]
    return {"name": name, "version": "1.0", "vulns": found}


def test_a_known_vulnerability_fails_the_audit(monkeypatch, capsys):
    found = [package("one"), package("two", [("CVE-1", ["1.1"])]), {"name": "x", "skip_reason": ""}]
    monkeypatch.setattr(audit, "look_up", lambda pinned: found)
    assert audit.main() == 1
    assert capsys.readouterr().out == (
        "two 1.0: CVE-1, mended in 1.1\n2 packages audited, 1 problems\nNot known: x\n"
    )


@pytest.mark.parametrize("found", [[], [{"name": "x", "skip_reason": "not found"}]])
def test_an_audit_without_data_fails_nothing_and_says_so(monkeypatch, capsys, found):
    monkeypatch.setattr(audit, "look_up", lambda pinned: found)
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("Not audited, as the data of pip-audit cannot be had")
