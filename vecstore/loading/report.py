"""What became of the entries of a load."""

from dataclasses import dataclass, fields


@dataclass(repr=False)
class EmbedReport:
    """How many entries a call embedded, and what became of the others.

    embedded: sent to the model. reused: written with a vector that the collection had for the same
    content. updated: same content, new metadata or newly stored. unchanged: not written. failed:
    left out, which only `on_error` allows. deleted: chunks that a document has no longer, and
    entries that the source of a sync has no longer. added: written with a vector that was given,
    new or in place of another. An entry that is followed by another of the same id in the same
    batch is not counted.

    Of documents, each chunk counts, but one that is left out is one that failed.
    """

    embedded: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    deleted: int = 0
    added: int = 0

    def __repr__(self) -> str:
        """Return the counts that are not 0."""
        counts = ((f.name, getattr(self, f.name)) for f in fields(self))
        shown = ", ".join(f"{name}={count}" for name, count in counts if count)
        return f"{type(self).__name__}({shown})"

    def __add__(self, other: "EmbedReport") -> "EmbedReport":
        sums = (getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        return EmbedReport(*sums)


@dataclass
class ReembedReport:
    """What `Collection.reembed()` did.

    entries: that the collection has now. embedded, reused, failed: as in EmbedReport, of this call;
    what an earlier one that was interrupted has embedded is in none of them. left_out: entries
    without stored content that the model embeds. old_name: what the collection of before is called
    now; None if it was deleted, or if there was nothing to do.

    agreement: what part of the entries nearest to an entry are the same by the old and by the new
    vectors, on average, from 0.0 to 1.0; None where there was nothing to compare. sampled: the
    number of entries whose nearest were compared, and nearest: of how many.
    """

    entries: int = 0
    embedded: int = 0
    reused: int = 0
    failed: int = 0
    left_out: int = 0
    old_name: str | None = None
    agreement: float | None = None
    sampled: int = 0
    nearest: int = 0


@dataclass
class ReembedPlan:
    """What `Collection.reembed()` would do.

    entries: that are not embedded by the model yet. to_embed: how many contents would be sent, each
    once. characters, bytes: their size. left_out: as in ReembedReport.
    """

    entries: int = 0
    to_embed: int = 0
    characters: int = 0
    bytes: int = 0
    left_out: int = 0
