"""What became of the entries of a load."""

from dataclasses import dataclass, fields


@dataclass
class EmbedReport:
    """How many entries a call embedded, and what became of the others.

    embedded: sent to the model. reused: written with a vector that the collection had for the same
    content. updated: same content, new metadata or newly stored. unchanged: not written. failed:
    left out, which only `on_error` allows. An entry that is followed by another of the same id in
    the same batch is not counted.
    """

    embedded: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0

    def __add__(self, other: "EmbedReport") -> "EmbedReport":
        sums = (getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        return EmbedReport(*sums)
