"""A forked child does not wait for a lock that a thread of its parent holds."""

import subprocess
import sys

SCRIPT = """
import os, threading
from vecstore.process_lock import ProcessLock

lock, is_held, may_end = ProcessLock(), threading.Event(), threading.Event()

def hold():
    with lock.held():
        is_held.set()
        may_end.wait()

thread = threading.Thread(target=hold)
thread.start()
is_held.wait()
assert not lock.held().acquire(blocking=False)
child = os.fork()
if not child:
    os._exit(0 if lock.held().acquire(blocking=False) else 1)
assert os.waitpid(child, 0)[1] == 0
assert not lock.held().acquire(blocking=False)
may_end.set()
thread.join()
assert lock.held().acquire(blocking=False)
"""


def test_a_child_takes_a_lock_that_a_thread_of_its_parent_holds():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
