"""The URL of a PostgreSQL database, as a user names it and as a message may show it."""

import re

_SCHEMES = ("postgresql://", "postgres://")
# What stands between the user's name and the host may hold any sign, an @ as well.
_USER_PASSWORD = re.compile(r"(?<=://)([^/?#]*?):(.*)@(?=[^@]*$)", re.DOTALL)
_PARAMETER = re.compile(r"(?i)\b((?:ssl)?password|passwd|pwd)=[^&\s]*")


def is_url(name: object) -> bool:
    """Return whether a database is named by a URL of PostgreSQL."""
    return isinstance(name, str) and name.lower().startswith(_SCHEMES)


def without_password(url: str) -> str:
    """Return a URL as a message shows it: *** stands for a password."""
    return _PARAMETER.sub(r"\1=***", _USER_PASSWORD.sub(r"\1:***@", url))
