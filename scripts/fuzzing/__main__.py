"""Fuzzes one target after another, each in a process of its own, and says what was found.

Without TARGET, all are fuzzed. An input that fails is kept as .fuzz/TARGET-crash-...: put it into
tests/corpus/TARGET under a name that says what it is, and the tests run it from then on. Inputs
that reach new code are kept in .fuzz/TARGET, where the next run begins.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

TARGETS = ("readers", "json-lines", "dbapi", "conditions", "prefixes", "keywords")
ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / "tests" / "corpus"
WORK = ROOT / ".fuzz"

_SLOWEST = 30  # seconds for one input
_MEMORY = 2048  # megabytes
_LONGEST = 4096  # bytes of an input


@click.command(help=__doc__)
@click.argument("targets", metavar="[TARGET]...", type=click.Choice(TARGETS), nargs=-1)
@click.option("--seconds", type=click.IntRange(1), default=30, show_default=True, metavar="N")
@click.option("--seed", type=int, default=0, metavar="N", help="Repeat the run that printed it.")
def main(targets: tuple[str, ...], seconds: int, seed: int) -> None:
    if find_spec("atheris") is None:
        raise click.ClickException(
            "There is no atheris for this Python: it comes for CPython 3.10 to 3.14 on Linux "
            "(x86_64). Choose one: PYTHON=python3.12 scripts/fuzz"
        )
    failed = [target for target in targets or TARGETS if not fuzz(target, seconds, seed)]
    if failed:
        raise click.ClickException(f"Inputs that fail were found for: {', '.join(failed)}")


def fuzz(target: str, seconds: int, seed: int) -> bool:
    """Fuzz one target; print what came of it, and return whether nothing failed."""
    new = WORK / target
    new.mkdir(parents=True, exist_ok=True)
    log = WORK / f"{target}.log"
    options = {
        "max_total_time": seconds,
        "seed": seed or int.from_bytes(os.urandom(3), "big") + 1,
        "max_len": _LONGEST,
        "timeout": _SLOWEST,
        "rss_limit_mb": _MEMORY,
        "print_final_stats": 1,
        "artifact_prefix": f"{WORK / target}-",
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    run = [sys.executable, "-m", "fuzzing.run", target, *arguments, str(new), str(CORPUS / target)]
    with log.open("wb") as output:
        status = subprocess.run(run, stdout=output, stderr=output).returncode
    told = log.read_text(errors="replace")
    number = told.rpartition("number_of_executed_units: ")[2].partition("\n")[0]
    click.echo(f"{target}: {number or 'no'} executions, seed {options['seed']}, {log}")
    if status:
        click.echo("\n".join(told.splitlines()[-60:]))
    return status == 0


if __name__ == "__main__":
    main()
