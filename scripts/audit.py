"""Runs pip-audit on the pinned packages: fails for a known vulnerability, and for nothing else.

Where its data cannot be had, it says so: that is no fault of a change.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parent.parent / ".ci" / "constraints.txt"
_SECONDS = 120  # for all of it
_OPTIONS = [
    "--no-deps",
    "--disable-pip",
    "--format",
    "json",
    "--progress-spinner",
    "off",
    "--timeout",
    "5",
]


def main() -> int:
    try:
        return report(
            look_up([line for line in CONSTRAINTS.read_text().splitlines() if "==" in line])
        )
    except (subprocess.TimeoutExpired, ValueError) as error:
        print(f"Not audited, as the data of pip-audit cannot be had: {error}")
        return 0


def look_up(pinned: list[str]) -> list[dict[str, Any]]:
    """Return what pip-audit has to say of each package; ValueError if that is nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pinned))
        file.flush()
        run = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--requirement", file.name, *_OPTIONS],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    try:
        found: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
    except ValueError:
        last = run.stderr.strip().splitlines()[-1:]
        raise ValueError(*last) from None
    return found


def report(found: list[dict[str, Any]]) -> int:
    """Print what was found, and return the exit status."""
    unknown = [package["name"] for package in found if "vulns" not in package]
    if len(unknown) == len(found):
        raise ValueError("it knows none of the packages")
    bad = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
        for package in found
        for vulnerability in package.get("vulns", [])
    ]
    print(*bad, f"{len(found) - len(unknown)} packages audited, {len(bad)} problems", sep="\n")
    if unknown:
        print(f"Not known: {', '.join(unknown)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
