"""What a user has set: the folder of settings, the default model and the default database."""

import os
import tempfile
from pathlib import Path
from typing import Literal, get_args

from .errors import InvalidInputError
from .postgres_url import is_url, refuse_misspelt
from .values import quote

# Where the index of a file is: in the file, or in one beside it.
IndexForm = Literal["inside", "beside"]

# A SQLite file, or the URL of a PostgreSQL database.
DatabaseName = Path | str


def user_dir() -> Path:
    """Return the folder of this user's settings, which is made if there is none.

    The environment variable VECSTORE_USER_PATH, or else where the system keeps such folders.
    """
    path = _user_path()
    path.mkdir(parents=True, exist_ok=True)
    return path


def default_database() -> DatabaseName:
    """Return what to use where none is named: VECSTORE_DB, or else the file `embeddings.db`.

    The latter is in `user_dir()`, which is not made: to create the file, make the folder first. The
    variable may be a URL of PostgreSQL, which is returned as it is.
    """
    named = os.environ.get("VECSTORE_DB")
    if is_url(named):
        return named
    refuse_misspelt(named)
    return Path(named) if named else _user_path() / "embeddings.db"


def default_model() -> str | None:
    """Return the id or alias to use where none is named, or None.

    The environment variable VECSTORE_EMBEDDING_MODEL, or else what was saved as the default.
    """
    return os.environ.get("VECSTORE_EMBEDDING_MODEL") or get_default_embedding_model()


def default_index_form() -> IndexForm | None:
    """Return where the index of a new file is to be, or None: the variable VECSTORE_INDEX.

    :raises InvalidInputError: it is something else than "inside" or "beside"
    """
    named = os.environ.get("VECSTORE_INDEX")
    return to_index_form(named, "VECSTORE_INDEX") if named else None


def to_index_form(value: object, name: str) -> IndexForm:
    """Return what names a form; InvalidInputError, with the name of the value, if it is none."""
    for form in get_args(IndexForm):
        if value == form:
            found: IndexForm = form
            return found
    raise InvalidInputError(f"{name} is {quote(value)}: it must be 'inside' or 'beside'")


def get_default_embedding_model() -> str | None:
    """Return the id or alias that `set_default_embedding_model()` saved, or None."""
    try:
        return _default_model_path().read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def set_default_embedding_model(name: str | None) -> None:
    """Save the id or alias of the model for new collections; None for no default."""
    if name is None:
        _default_model_path().unlink(missing_ok=True)
        return
    # Written elsewhere and moved: another process reads the old name or the new, never half.
    with tempfile.TemporaryDirectory(dir=user_dir()) as folder:
        file = Path(folder) / "name"
        file.write_text(name, "utf-8")
        file.replace(_default_model_path())


def _user_path() -> Path:
    named = os.environ.get("VECSTORE_USER_PATH")
    if named:
        return Path(named)
    import click  # takes a while, and a search in a file that is named does without

    return Path(click.get_app_dir("vecstore"))


def _default_model_path() -> Path:
    return _user_path() / "default_embedding_model.txt"
