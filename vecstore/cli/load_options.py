"""The options of `vecstore embed-multi` that say how entries are embedded, and where they go."""

from dataclasses import dataclass
from pathlib import Path

import click

from ..settings import DatabaseName
from .options import (
    Command,
    add_options,
    batch_size_option,
    concurrency_option,
    database_option,
    gather_options,
    key_option,
    model_option,
    store_option,
)

_OPTIONS = (
    batch_size_option,
    concurrency_option,
    click.option(
        "--on-error",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help="What to do with an entry that cannot be read or embedded.",
    ),
    click.option(
        "--errors",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A file for the ids that were left out and why, as JSON lines.",
    ),
    click.option("--dry-run", is_flag=True, help="Say what would be done; send and write nothing."),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress and no report."),
    model_option,
    key_option,
    store_option,
    database_option,
)


@dataclass(frozen=True)
class LoadOptions:
    """The options as they were given."""

    batch_size: int
    concurrency: int | None
    on_error: str
    errors: Path | None
    dry_run: bool
    quiet: bool
    model: str | None
    key: str | None
    store: bool
    database: DatabaseName

    def refuse_to_replace(self, path: str | None) -> None:
        """Raise UsageError if the list of errors would be written to what is read."""
        errors = self.errors
        if errors and path and errors.exists() and Path(path).exists() and errors.samefile(path):
            raise click.UsageError("--errors names the file that is read, and would replace it")

    def refuse_questions(self) -> None:
        """Raise UsageError for what is for models, where none is asked."""
        given = {
            "--dry-run": self.dry_run,
            "--key": self.key is not None,
            "--concurrency": self.concurrency is not None,
        }
        for option, is_given in given.items():
            if is_given:
                raise click.UsageError(
                    f"No model is asked with --vector: it cannot be used with {option}"
                )


def add_load_options(command: Command) -> Command:
    """Add the options to a command, which gets them as `load`, a LoadOptions."""
    return add_options(gather_options(command, "load", LoadOptions), _OPTIONS)
