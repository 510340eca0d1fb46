"""How SQL names what may have any name: a schema, an alias, a column."""


def quote_identifier(name: str) -> str:
    """Return a name as SQL takes it for an identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
