"""Rows that Python hands to a statement as a table: what was found elsewhere, in its order."""

import json
from collections.abc import Sequence
from typing import Any


def given_table(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[str, dict[str, Any]]:
    """Return the SQL of a table, as a part of a WITH clause, and its values by their names.

    Its column `place` counts the rows from 0 on. JSON carries them, but for rows with a blob, which
    JSON lacks, and with a NUL, at which a text of JSON ends in SQLite 3.40: their values are bound
    one by one.

    :param name: begins with a _, which its parameters begin with too
    """
    bound = {n: row for n, row in enumerate(rows) if not all(map(_is_carried, row))}
    is_one = len(columns) == 1
    carried = [None if n in bound else row[0] if is_one else row for n, row in enumerate(rows)]
    paths = ["value"] if is_one else [f"value ->> {n}" for n in range(len(columns))]
    values = {name[1:]: json.dumps(carried)}
    listed = []
    for n, row in bound.items():
        names = [f"{name[1:]}_{n}_{column}" for column in columns]
        values.update(zip(names, row, strict=True))
        listed.append(f"({n}, {', '.join(f':_{parameter}' for parameter in names)})")
    sql = f"""{name} (place, {", ".join(columns)}) as materialized (
          select key, {", ".join(paths)}
          from json_each(:{name})
          where type <> 'null'
          {f"union all values {', '.join(listed)}" if listed else ""}
        )"""
    return sql, values


def _is_carried(value: Any) -> bool:
    return not isinstance(value, bytes) and not (isinstance(value, str) and "\0" in value)
