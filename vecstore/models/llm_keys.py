"""Whether llm has a key of a name: it keeps them in a file, `llm keys` shows their names."""

import json
import os
from pathlib import Path

import click


def has_key(name: str) -> bool:
    """Return whether llm has stored an API key of this name; no key is kept, and none is used.

    A file that cannot be read, or is none of llm's, has none.
    """
    folder = os.environ.get("LLM_USER_PATH") or click.get_app_dir("io.datasette.llm")
    try:
        keys = json.loads(Path(folder, "keys.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(keys, dict) and isinstance(keys.get(name), str) and bool(keys[name].strip())
