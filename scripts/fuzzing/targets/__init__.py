"""What is fuzzed: each a function that takes any bytes, and fails where vecstore breaks a promise.

They are ordinary functions, so that the tests replay the inputs of tests/corpus with them.
"""

from collections.abc import Callable

from . import dbapi, json_lines, readers, searches

TARGETS: dict[str, Callable[[bytes], None]] = {
    "readers": readers.run,
    "json-lines": json_lines.run,
    "dbapi": dbapi.run,
    "conditions": searches.run_condition,
    "prefixes": searches.run_prefix,
    "keywords": searches.run_keywords,
}
