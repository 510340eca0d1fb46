"""What a user may do with the files of a database, and what to say where they may not.

SQLite says "readonly" and "unable to open", whatever the reason.
"""

import os
from pathlib import Path

from ...errors import DatabaseError


def is_writable(path: str | Path) -> bool:
    """Return whether a file can be written to, and files made beside it, as SQLite needs them."""
    return os.access(path, os.W_OK) and has_writable_folder(path)


def has_writable_folder(path: str | Path) -> bool:
    """Return whether files can be made beside a file."""
    return os.access(Path(path).absolute().parent, os.W_OK)


def is_cannot_open(error: Exception) -> bool:
    """Return whether an error says that SQLite can open a file not at all, or one beside it."""
    return "unable to open" in str(error)


def is_read_only(error: Exception) -> bool:
    """Return whether an error says that what is open cannot be written, nor rolled back."""
    return "readonly" in str(error)


def is_denied(error: Exception) -> bool:
    """Return whether an error may say that this user can make no file beside the database."""
    return is_cannot_open(error) or is_read_only(error)


def unreadable_error(path: str, error: Exception) -> DatabaseError:
    """Return the error for a file that SQLite cannot open or read: why, and what helps."""
    if not os.path.exists(path):  # noqa: PTH110
        folder = Path(path).absolute().parent
        may_not = "" if has_writable_folder(path) else f", and this user cannot make it in {folder}"
        return DatabaseError(f"{path} does not exist{may_not} ({error})")
    why = _why_unreadable(path, error)
    if why is None:
        return DatabaseError(
            f"{path} cannot be written: this user can make no files beside it ({error}). Have its "
            "owner allow that, or write to a copy, which 'vecstore backup' makes; to read it, open "
            "it with vecstore.connect(path, read_only=True)"
        )
    return DatabaseError(f"{path} cannot be read as a SQLite database: {why}")


def _why_unreadable(path: str, error: Exception) -> str | None:
    """Return why a file cannot be read; None if it can, and SQLite would write beside it."""
    if not is_denied(error):
        return str(error)
    if not os.access(path, os.R_OK):
        return f"this user may not read it ({error}): have its owner allow that"
    for ending, holds in (("-wal", "its latest commits"), ("-journal", "a write to be undone")):
        beside = path + ending
        if os.path.exists(beside) and os.path.getsize(beside):  # noqa: PTH110, PTH202
            return (
                f"{beside} holds {holds}, for which this user would have to write files there "
                f"({error}): have somebody who may do so run 'vecstore check {path}', or copy both "
                "files to a folder of your own"
            )
    return str(error) if has_writable_folder(path) else None


def unwritable_message(path: str, error: Exception) -> str:
    """Return why a database cannot be written, and what helps."""
    if path and not is_writable(path):
        what = "make files beside it" if os.access(path, os.W_OK) else "write to it"
        return (
            f"{path} is readonly for this user, who cannot {what} ({error}): have its owner allow "
            "that, or write to a copy, which 'vecstore backup' makes"
        )
    if is_read_only(error):
        return (
            f"{path or 'The database in memory'} was opened for reading alone ({error}): open it "
            "with vecstore.connect(path)"
        )
    return f"{path} cannot be written: {error}"
