"""What a load stores, what it leaves as it is, and what it prints."""

import pytest

from tests.support.command import error, output, run
from tests.support.phrases import FILES, ROWS, pairs


def test_what_is_there_already_costs_nothing(load, registered):
    assert load("-", input=FILES["phrases.csv"]).startswith("2 embedded")
    again = "0 embedded, 0 reused, 0 updated, 2 unchanged\n"
    assert load("-", input=FILES["phrases.json"]) == again
    assert registered.embedded == ["hello world", "goodbye world"]


def test_a_collection_needs_no_model_and_takes_no_other(load, registered, database):
    load("-", input=FILES["phrases.csv"])
    more = "id,phrase\n3,more"
    report = output("embed-multi", "c", "-", "-d", database, input=more)
    assert report == "1 embedded, 0 reused, 0 updated, 0 unchanged\n"
    message = error("embed-multi", "c", "-", "-d", database, "-m", "local", input=more)
    assert message.startswith("Collection 'c' was made with the model 'word-lengths', not ")


NOTHING_MATCHES = "No file in . matches 'nothing*': '**/nothing*' is for those in its folders too\n"


def test_limit_and_batch_size(load, registered, stored):
    rows = "id,text\n" + "".join(f"{n},text {n}\n" for n in range(100))
    load("-", "--limit", "45", "--batch-size", "20", input=rows)
    assert (len(stored()), registered.batches) == (45, [20, 20, 5])


@pytest.mark.parametrize("arguments", [["-"], ["-", "--limit", "0"], ["--files", ".", "nothing*"]])
def test_of_nothing_no_database_is_made(registered, database, arguments):
    result = run("embed-multi", "c", *arguments, "-m", "words", "-d", database, input="id,text\n")
    note = "standard input has a header and no rows: --no-headers takes its first line as a row\n"
    notes = {"-": note, "nothing*": NOTHING_MATCHES}
    expected = "There is nothing to embed\n" + notes.get(arguments[-1], "")
    assert (result.exit_code, result.stderr) == (0, expected)
    quiet = run("embed-multi", "c", *arguments, "-m", "words", "-d", database, "-q", input="1,a\n")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert not database.exists()


def test_repeated_ids_are_told(registered, database):
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database]
    result = run(*arguments, input="id,text\n1,x\n1,y\n2,z\n")
    assert result.stdout == "2 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert result.stderr == "1 of 3 entries had the id of a later one, which was stored\n"


def test_quiet(load, stored):
    assert load("-", "-q", input=FILES["phrases.csv"]) == ""
    assert pairs(stored()) == ROWS


def test_without_a_model_a_new_collection_is_an_error(registered, database):
    message = error("embed-multi", "c", "-", "-d", database, input="id,a\n1,x")
    assert message.startswith("You need to specify an embedding model (no default model is set)")
    assert not database.exists()
