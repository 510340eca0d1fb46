"""`vecstore embed-multi` and `embed` on an entry over which the model fails."""

import contextlib

import pytest

import vecstore
from tests.support.bad_entries import FAILURES, KINDS, ids, texts
from tests.support.command import error, run
from vecstore import Collection


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_command_names_the_entry_on_one_line(
    registered, monkeypatch, tmp_path, kind, concurrency
):
    registered.asked = []
    registered.failure = FAILURES["ValueError"]
    monkeypatch.setattr(registered, "__class__", kind)
    path = tmp_path / "test.db"
    rows = "id,text\n" + "".join(f"{id},{text}\n" for id, text in texts(6, 3))
    options = ["-d", path, "-m", "words"]
    command = ["embed-multi", "c", "-", *options, "--concurrency", concurrency]
    message = "'003' was not embedded: ValueError: cannot identify image file"
    assert error(*command, input=rows) == f"{message} (--on-error skip leaves it out)"
    assert stored_ids(path) == ids(0, 1, 2)
    result = run(*command, "--on-error", "skip", input=rows)
    assert result.stderr == f"Error: 1 entry was skipped: {message}; --errors FILE lists them\n"
    assert stored_ids(path) == ids(0, 1, 2, 4, 5)
    assert error("embed", "c", "003", "-c", "bad", *options) == message
    assert stored_ids(path) == ids(0, 1, 2, 4, 5)


def stored_ids(path) -> list[str]:
    with contextlib.closing(vecstore.connect(path, driver="apsw", read_only=True)) as db:
        return Collection("c", db, create=False).ids()
