"""Whether a file is what it was, without a look into it: its inode, size and times."""

import os
import time

Status = tuple[int, ...]  # device, inode, bytes, and when it was changed, in nanoseconds

# A second change within a tick of the system's clock, 10 ms at most, would not show in the status;
# on some disks, such as FAT's, not one within two seconds.
_TICK = 0.02
_COARSE_TICK = 2.0


def status_of(path: str) -> Status | None:
    """Return what differs when a file was changed or replaced; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of the time of a Path
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def identity_of(path: str) -> Status | None:
    """Return what differs when a file was replaced; None if there is none."""
    found = status_of(path)
    return found and found[:2]


def size_of(path: str) -> int:
    """Return the size of a file in bytes: 0 if there is none."""
    found = status_of(path)
    return 0 if found is None else found[2]


def has_commits(path: str) -> bool:
    """Return whether a database may have commits that are not in its file itself."""
    return size_of(f"{path}-wal") > 0


def seconds_unsure(status: Status) -> float:
    """Return how long another change might not show in a status: 0 if the last is long ago."""
    changed_at = status[-2:]
    tick = _TICK if any(at % 10**9 for at in changed_at) else _COARSE_TICK
    age = time.time() - max(changed_at) / 1e9
    return max(tick - max(age, 0), 0)
