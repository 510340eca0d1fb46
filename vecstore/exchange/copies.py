"""Copies a collection from one store to another: what differs is sent, and all of it is compared.

Both stores tell the digests of the columns of each row, so that what is there already is not sent
again: a copy that was ended, however, is gone on with by the same call. Each portion is a
transaction of its own.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

from ..errors import DatabaseError, DoesNotExist, InvalidInputError, ModelMismatchError
from ..models import are_one_model
from ..prefixes import describe_prefix
from ..rows import CollectionRow, EmbeddingRow, differing_columns, row_portions
from ..store import Store
from ..values import describe_count, quote
from ..vectors import dimension_error

_ROWS = 1000  # that a transaction sends, or fewer if they are large
_EXAMPLES = 5

Progress = Callable[[str, int, int], object]
Unstorable = Callable[[str, InvalidInputError], object]


@dataclass(frozen=True)
class CopyReport:
    """What push_collections() or pull_collections() has done about a collection.

    Attributes:
        collection: its name
        entries: how many there are to copy, without those that were skipped
        written: of these, how many were not there, or not the same
        unchanged: how many were there already, all columns the same
        skipped: how many cannot be stored there
        only_there: how many entries there the source does not have. They stay
    """

    collection: str
    entries: int
    written: int
    unchanged: int
    skipped: int
    only_there: int


def choose_collections(source: Store, names: Iterable[str] | None) -> list[CollectionRow]:
    """Return the rows of these collections, each once, or of all.

    :raises DoesNotExist: there is none of a name, or none at all
    :raises InvalidInputError: `names` is one name
    """
    if isinstance(names, str):
        raise InvalidInputError(f"names is {quote(names)}: pass a list of names, [{quote(names)}]")
    wanted = source.names() if names is None else [*dict.fromkeys(names)]
    if not wanted:
        raise DoesNotExist(f"There is no collection to copy: {source.describe()}")
    chosen = []
    for name in wanted:
        row = source.find(name)
        if row is None:
            raise DoesNotExist(f"Collection does not exist: {quote(name)} ({source.describe()})")
        chosen.append(row)
    return chosen


class Copy:
    """Copies one collection. All of it belongs inside source.reading().

    :param skips: whether what the target cannot hold is left out
    :raises ModelMismatchError: the target has it with another model or document prefix
    """

    def __init__(
        self,
        source: Store,
        target: Store,
        row: CollectionRow,
        *,
        skips: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.name = row.name
        self._source = source
        self._target = target
        self._row = row
        self._skips = skips
        self._progress = progress
        self._total = source.count(row)
        self._written = 0
        self._done = 0
        self._fitting: set[int] = set()  # dimensions
        self._check()

    def _check(self) -> None:
        if not isinstance(self._row.name, str) or not isinstance(self._row.model, str):
            raise InvalidInputError(
                f"Collection {quote(self._row.name)} has the model {quote(self._row.model)}: both "
                "must be text, and another program has stored something else"
            )
        there = self._target.find(self._row.name)
        if there is not None:
            self._check_target(there)

    def _check_target(self, there: CollectionRow) -> None:
        """Raise ModelMismatchError unless vectors of both can be compared."""
        if not are_one_model(self._row.model, there.model):
            raise ModelMismatchError(
                f"Collection {quote(there.name)} is there with the model {there.model!r}, not "
                f"{self._row.model!r}: vectors of two models cannot be compared, so rename one of "
                "the two collections"
            )
        own = self._source.prefixes(self._row).document_prefix
        prefix = self._target.prefixes(there).document_prefix
        if own != prefix:
            raise ModelMismatchError(
                f"The document prefix of collection {quote(there.name)} is "
                f"{describe_prefix(own)}, and where it is to go "
                f"{describe_prefix(prefix)}: vectors of two prefixes cannot be compared, so rename "
                "one of the two collections"
            )

    def find_unstorable(self) -> Generator[tuple[object, str], None, None]:
        """Yield what the target cannot hold: ids, and what the problem is."""
        for number, row in enumerate(self._source.all_rows(self._row), start=1):
            problem = self._target.problem_of(row)
            if problem is not None:
                yield row.id, problem
            if number % _ROWS == 0 or number == self._total:
                self._show("Checking", number)

    def create(self) -> CollectionRow:
        """Return the row of the collection there, which is created, with its prefixes, if need be.

        :raises ModelMismatchError: another process has made it meanwhile, with another model
        """
        there = self._target.find(self._row.name)
        if there is None:
            there = self._target.create_new(self._row.name, self._row.model)
            self._target.set_prefixes(there, self._source.prefixes(self._row))
        else:
            self._check_target(there)
        return there

    def run(self, target: CollectionRow) -> CopyReport:
        """Send what differs to a collection, and compare all of it afterwards.

        :raises DoesNotExist, ModelMismatchError: it is not the one that it was
        :raises DimensionError: the target has vectors of other dimensions than the source
        :raises DatabaseError: the two differ afterwards
        """
        for ids in self._source.id_portions(self._row):
            self._send(target, self._find_lacking(target, ids))
            self._done += len(ids)
            self._show("Copying", self._done)
        self._target.end_load(target)
        return self._verify(target)

    def _find_lacking(self, target: CollectionRow, ids: list[str]) -> list[str]:
        """Return of which of these ids the target has no row that is the same."""
        there = self._target.digests(target, ids)
        if not there:
            return ids
        here = self._source.digests(self._row, ids)
        return [id for id in ids if there.get(id) != here[id]]

    def _send(self, target: CollectionRow, ids: list[str]) -> None:
        storable = (
            row
            for row in self._source.rows(self._row, ids)
            if not self._skips or self._target.problem_of(row) is None
        )
        for rows in row_portions(storable, _ROWS):
            self._check_dimensions(target, rows)
            self._target.write(lambda rows=rows: self._write(target, rows))  # type: ignore[misc]
            self._written += len(rows)

    def _write(self, target: CollectionRow, rows: list[EmbeddingRow]) -> None:
        self._check_target(target)  # while it is empty, its prefix may change
        there = self._target.digests(target, [row.id for row in rows])
        self._target.add(target, [row for row in rows if row.id not in there])
        changed = [row for row in rows if row.id in there]
        if changed:
            self._target.put(target, changed)

    def _check_dimensions(self, target: CollectionRow, rows: list[EmbeddingRow]) -> None:
        """Raise DimensionError for a vector of dimensions that only the source has."""
        for row in rows:
            size = len(row.embedding) if isinstance(row.embedding, bytes) else 0
            if not size or size % 4 or size // 4 in self._fitting:
                continue
            there = self._target.dimensions(target, size // 4)
            if (
                there not in (None, size // 4)
                and self._source.dimensions(self._row, there) != there
            ):
                raise dimension_error(f"The vector of {quote(row.id)}", size // 4, there)
            self._fitting.add(size // 4)

    def _verify(self, target: CollectionRow) -> CopyReport:
        """Compare all columns of all rows, and the numbers of rows."""
        done = same = 0
        for ids in self._source.id_portions(self._row):
            here = self._source.digests(self._row, ids)
            there = self._target.digests(target, ids)
            others = [id for id in ids if there.get(id) != here[id]]
            wrong = self._storable(others) if others else []
            if wrong:
                differing = [id for id in wrong if id in there]
                raise self._differs(target, differing, [id for id in wrong if id not in there])
            same += len(ids) - len(others)
            done += len(ids)
            self._show("Comparing", done)
        return CopyReport(
            self._row.name,
            entries=same,
            written=self._written,
            unchanged=same - self._written,
            skipped=self._total - same,
            only_there=self._target.count(target) - same,
        )

    def _storable(self, ids: list[str]) -> list[str]:
        """Return those of these ids whose rows the target can hold."""
        rows = self._source.rows(self._row, ids)
        return [row.id for row in rows if self._target.problem_of(row) is None]

    def _differs(
        self, target: CollectionRow, differing: list[str], missing: list[str]
    ) -> DatabaseError:
        """Return the error that names entries that are not the same, with both values of one."""
        found = []
        if differing:
            found.append(f"of {_listed(differing)} {self._describe(target, differing[0])}")
        if missing:
            found.append(f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing there")
        return DatabaseError(
            f"Collection {quote(self._row.name)} is not the same in both places after the copy: "
            f"{'; '.join(found)}. Another program may have changed it meanwhile: the same call "
            "sends again what differs"
        )

    def _describe(self, target: CollectionRow, id: str) -> str:
        """Return which columns of an entry differ, and the values of the first."""
        here = self._source.digests(self._row, [id])
        there = self._target.digests(target, [id])
        columns = differing_columns(here[id], there.get(id, here[id]))
        if not columns:
            return "all columns, until just now, differ"
        [mine] = self._source.rows(self._row, [id])
        theirs = next(self._target.rows(target, [id]), None)
        values = quote(getattr(mine, columns[0])), quote(getattr(theirs, columns[0], None))
        return (
            f"the {', '.join(columns)} of {quote(id)} differ: {columns[0]} is {values[0]} where it "
            f"was read, and {values[1]} there"
        )

    def _show(self, work: str, done: int) -> None:
        if self._progress:
            self._progress(f"{work} {self._row.name}", done, self._total)


def refuse_unstorable(
    copies: Iterable[Copy], *, skips: bool, on_unstorable: Unstorable | None
) -> None:
    """Find what the target cannot hold of all collections, before any of it is sent.

    :raises InvalidInputError: there is some, and it is not to be skipped
    """
    number = 0
    examples: list[str] = []
    for copy in copies:
        # Closed here, before the database that is read.
        with closing(copy.find_unstorable()) as unstorable:
            for id, problem in unstorable:
                number += 1
                if len(examples) < _EXAMPLES:
                    examples.append(f"{quote(id)} of {quote(copy.name)}: {problem}")
                if on_unstorable:
                    text = id if isinstance(id, str) else quote(id)
                    message = f"The entry {quote(id)} of {quote(copy.name)} is refused: {problem}"
                    on_unstorable(text, InvalidInputError(message))
    if number and not skips:
        more = "; ..." if number > len(examples) else ""
        raise InvalidInputError(
            f"{describe_count(number, 'entry')} cannot be stored there, and nothing was sent "
            f"({'; '.join(examples)}{more}): correct these, or leave them out with on_error='skip' "
            "(--on-error skip)"
        )


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - _EXAMPLES:,} more" if len(ids) > _EXAMPLES else ""
    return f"{describe_count(len(ids), 'entry')} ({', '.join(map(quote, ids[:_EXAMPLES]))}{more})"
