"""The exceptions that vecstore raises, in one tree.

    VecstoreError
      DatabaseError
        ExtensionError          sqlite-vec cannot be loaded
        TwoLibrariesError       a second SQLite library would open the same file
        AdoptionError           a Database cannot be moved to a connection that loads extensions
        NewerSchemaError        the file was written by a later vecstore
        FileChangedError        others wrote to a file that this user cannot lock, while it was read
        DatabaseBusyError       another connection has the lock: try again
        DatabaseReadOnlyError   it may not be written
        DatabaseDamagedError    the file is damaged, or no SQLite database
        DatabaseInterruptedError  interrupt() has ended the statement
        ConstraintError         a constraint or a trigger of the file refuses a row
        DiskError               the system cannot open, read or write a file
          DiskFullError
        DatabaseConnectionError  a server cannot be reached, or has ended the connection
      DoesNotExist              no such collection, or no such id in it
        MissingFileError        nor the file it would be in (also a ValueError)
      ModelError                an embedding model failed, or answered nonsense
        UnknownModelError       (also a KeyError)
        MissingKeyError         the environment holds no API key
        MissingPackageError     an extra is not installed (also an ImportError)
        RejectedInputError      one input is refused, or the model fails over it (also a ValueError)
        TemporaryError          the provider cannot answer now, and may later
      InvalidInputError         a value, id, vector or metadata is refused (also a ValueError)
        InputTypeError          text for a binary model, or the other way round
        DimensionError          a vector whose length is not the collection's
        ModelMismatchError      the collection belongs to another model
      ManyDeletionsError        a sync would delete more than half of what it may

A message names the thing, the values and the remedy. The ValueError, KeyError and ImportError
bases are there for code that was written against llm.

A DatabaseError that an operation on an open database raises in place of one of SQLite is also of
that one's class, such as sqlite3.OperationalError, with its sqlite_errorcode:
`sqlite/connection/sqlite_errors.py` has the table.
"""

from collections.abc import Sequence


class VecstoreError(Exception):
    """The root of all errors that vecstore raises on purpose."""

    def __str__(self) -> str:
        # KeyError, a base of UnknownModelError, would print the repr of the message.
        return str(self.args[0]) if self.args else ""


class DatabaseError(VecstoreError):
    """A database file or connection cannot be used."""


class ExtensionError(DatabaseError):
    """sqlite-vec cannot be loaded into a connection."""


class TwoLibrariesError(DatabaseError):
    """Two SQLite libraries of one process would hold the same file.

    They do not see each other's locks, so committed rows can be lost:
    https://www.sqlite.org/howtocorrupt.html#multiple_copies_of_sqlite_linked_into_the_same_application
    """


class AdoptionError(DatabaseError):
    """A sqlite_utils.Database cannot be moved to another connection; nothing was changed."""


class NewerSchemaError(DatabaseError):
    """The file has migrations that this version does not know; it was left untouched."""


class FileChangedError(DatabaseError):
    """A file that this user may not lock was changed while it was read: read it again."""


class DatabaseBusyError(DatabaseError):
    """Another connection has the lock, for longer than the timeout: try again."""


class DatabaseReadOnlyError(DatabaseError):
    """A database may not be written: by this user, by this connection, or where it lies."""


class DatabaseDamagedError(DatabaseError):
    """A file is damaged, or is no SQLite database."""


class DatabaseInterruptedError(DatabaseError):
    """A statement was ended before it was done, as by interrupt() of its connection."""


class ConstraintError(DatabaseError):
    """A constraint, or a trigger of the user's own, refuses a row."""


class DiskError(DatabaseError):
    """The system cannot open, read or write a file of a database."""


class DiskFullError(DiskError):
    """There is no room: on the disk, or in a database with a limit to its pages."""


class DatabaseConnectionError(DatabaseError):
    """A server cannot be reached, lets nobody in, or has ended the connection.

    A transaction that was open was rolled back; what was asked to be committed at that moment may
    have been. The next call connects again.

    Attributes:
        remedy: what a message ends with
    """

    remedy = "the same call goes on"


class DoesNotExist(VecstoreError):
    """There is no such collection, or no such id in it."""


class MissingFileError(DoesNotExist, ValueError):
    """There is no file to find a collection in, and nothing says that one is to be created."""


class ModelError(VecstoreError):
    """An embedding model failed, or did not return what it was asked for."""


class UnknownModelError(ModelError, KeyError):
    """No installed plugin provides a model of that name."""


class MissingKeyError(ModelError):
    """A model needs an API key that was not provided."""


class MissingPackageError(ModelError, ImportError):
    """A model, or a format, needs a package that is not installed."""


class RejectedInputError(ModelError, ValueError):
    """One input is refused, or the model fails over it.

    Raised by a model, it is about the first input that the model has not yielded a vector for.
    """


class TemporaryError(ModelError):
    """The provider cannot answer now, and may later.

    Attributes:
        retry_after: the seconds that the provider asks to wait; None if it does not.
        tries: how often in all the request is made before the error is final. In one that is
            final, 1.
    """

    def __init__(self, *args: object, retry_after: float | None = None, tries: int = 8) -> None:
        super().__init__(*args)
        self.retry_after = retry_after
        self.tries = tries


class InvalidInputError(VecstoreError, ValueError):
    """A value, an id, a vector or metadata is refused; nothing of it was written."""


class InputTypeError(InvalidInputError):
    """A model got text and takes only bytes, or the other way round, or neither."""


class DimensionError(InvalidInputError):
    """A vector's length differs from that of the vectors in the collection."""


class ModelMismatchError(InvalidInputError):
    """A collection was opened with a model that its vectors were not made with."""


class ManyDeletionsError(VecstoreError):
    """A sync would delete more than half of the entries that it may: is the source whole?

    All that the source holds was written, and nothing was deleted.

    Attributes:
        ids: of what would be deleted, in order
    """

    def __init__(self, *args: object, ids: Sequence[str] = ()) -> None:
        super().__init__(*args)
        self.ids = list(ids)
