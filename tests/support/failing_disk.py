"""A disk of which one operation fails, or all from one on: an apsw VFS over SQLite's own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import apsw

_ERRORS = {
    "access": apsw.SQLITE_IOERR_ACCESS,
    "delete": apsw.SQLITE_IOERR_DELETE,
    "lock": apsw.SQLITE_IOERR_LOCK,
    "open": apsw.SQLITE_CANTOPEN,
    "read": apsw.SQLITE_IOERR_READ,
    "reserved": apsw.SQLITE_IOERR_CHECKRESERVEDLOCK,
    "size": apsw.SQLITE_IOERR_FSTAT,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "write": apsw.SQLITE_IOERR_WRITE,
}

# What can go wrong, and with which operations. A write to a full disk writes a half.
FAULTS = {"io-error": _ERRORS.keys(), "disk-full": {"write", "sync"}}


class FailingDisk(apsw.VFS):
    """What connections are opened with inside the block: `with FailingDisk() as disk`.

    The files have no memory map, so that all is read with calls that can fail. What others share in
    a WAL's index, -shm, goes past this.

    Attributes:
        calls: the operations in the last block, by name, that could have failed
        failed: those that did
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failed: list[str] = []
        self._fault = ""
        self._failing = range(0)

    def __enter__(self) -> "FailingDisk":
        super().__init__("failing-disk", "unix", makedefault=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    @contextmanager
    def failing(self, fault: str, first: int = 0, *, forever: bool = False) -> Iterator[None]:
        """Have one operation in the block fail, counted from 1 on, or all from there on."""
        self._fault = fault
        self._failing = range(first, 2**63 if forever else first + 1)
        self.calls = []
        self.failed = []
        yield
        self._fault = ""

    def counting(self, fault: str) -> AbstractContextManager[None]:
        """Count the operations in the block."""
        return self.failing(fault)

    def fails(self, name: str) -> bool:
        """Count an operation, and return whether it is to fail."""
        if not self._fault or name not in FAULTS[self._fault]:
            return False
        self.calls.append(name)
        if len(self.calls) not in self._failing:
            return False
        self.failed.append(name)
        return True

    def error(self, name: str) -> Exception:
        return apsw.exception_for(_ERRORS[name] if self._fault == "io-error" else apsw.SQLITE_FULL)

    def check(self, name: str) -> None:
        if self.fails(name):
            raise self.error(name)

    def xOpen(self, name, flags):  # noqa: N802
        self.check("open")
        return _File(self, name, flags)

    def xDelete(self, name, sync):  # noqa: N802
        self.check("delete")
        super().xDelete(name, sync)

    def xAccess(self, name, flags):  # noqa: N802
        self.check("access")
        return super().xAccess(name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk, name, flags):
        super().__init__("unix", name, flags)
        self._disk = disk

    def xRead(self, amount, offset):  # noqa: N802
        self._disk.check("read")
        return super().xRead(amount, offset)

    def xWrite(self, data, offset):  # noqa: N802
        if self._disk.fails("write"):
            super().xWrite(data[: len(data) // 2], offset)
            raise self._disk.error("write")
        super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802
        self._disk.check("truncate")
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        self._disk.check("sync")  # and no more: no test cuts the power, and it takes long

    def xFileSize(self):  # noqa: N802
        self._disk.check("size")
        return super().xFileSize()

    def xLock(self, level):  # noqa: N802
        self._disk.check("lock")
        super().xLock(level)

    def xCheckReservedLock(self):  # noqa: N802
        self._disk.check("reserved")
        return super().xCheckReservedLock()
