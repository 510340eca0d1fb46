"""The URL of a PostgreSQL database, as a user names it and as a message may show it."""

import re
from pathlib import PurePath
from typing import TypeGuard
from urllib.parse import unquote

from .errors import InvalidInputError

_SCHEMES = ("postgresql://", "postgres://")
# What stands between the user's name and the host may hold any sign, an @ as well.
_USER_PASSWORD = re.compile(r"(?<=://)([^/?#]*?):(.*)@(?=[^@]*$)", re.DOTALL)
# With the name of a driver, as SQLAlchemy has it, or with one slash, as a Path makes it of two.
_MISSPELT = re.compile(r"(?i)postgres(ql)?(\+\w+)?:/")
# Of libpq's, those that are secrets; it takes a name with %, too, and forbids a space in a value.
_SECRET = re.compile(r"(?i)password|passwd|pwd|secret|scram_\w+_key")
_PARAMETER = re.compile(r"(?<=[?&])([^=&]*)=[^&]*")


def is_url(name: object) -> TypeGuard[str]:
    """Return whether a database is named by a URL of PostgreSQL."""
    return isinstance(name, str) and name.lower().startswith(_SCHEMES)


def refuse_misspelt(name: object) -> None:
    """Raise InvalidInputError for what is meant as such a URL and is none.

    As the name of a file, it would be shown with its password.
    """
    if isinstance(name, str | PurePath) and not is_url(name) and _MISSPELT.match(str(name)):
        raise InvalidInputError(
            "A database is named by what is not quite the URL of one in PostgreSQL: it is text "
            "that begins with postgresql://, such as postgresql://user@host/name"
        )


def has_unclear_password(url: str) -> bool:
    """Return whether a password may have signs that end it: the host would be a part of it."""
    found = _USER_PASSWORD.search(url)
    return found is not None and any(sign in found[2] for sign in "@/?#")


def without_password(url: str) -> str:
    """Return a URL as a message shows it: *** stands for a password."""
    return _PARAMETER.sub(_hide_secret, _USER_PASSWORD.sub(r"\1:***@", url))


def _hide_secret(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}=***" if _SECRET.search(unquote(parameter[1])) else parameter[0]
