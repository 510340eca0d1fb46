"""A search for a text, in a collection with a query prefix."""

from contextlib import closing

import vecstore
from tests.support.sites import ALLOW_EMBED, PAGE, write
from vecstore import Collection


def set_query_prefix(path, prefix):
    with closing(vecstore.connect(path)) as db:
        Collection("animals", db, create=False).set_prefixes(query=prefix)


def test_the_query_prefix_of_now_is_before_the_text(site, animals, numbers):
    found = site(animals, config=ALLOW_EMBED)
    page = f"{PAGE}.json?_mode=similar&q=0+0+0+0+0+0+0"
    for prefix in ("1 ", "0 ", "1 "):
        set_query_prefix(animals, prefix)
        found.get(page)
    assert numbers.asked == ["1 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0"]
    set_query_prefix(animals, "1 ")
    assert found.json(page)["rows"][0]["id"] == "hound"


def test_that_of_the_model_counts_where_the_collection_has_none(site, animals, numbers):
    numbers.query_prefix = "1 "
    found = site(animals, config=ALLOW_EMBED)
    assert found.json(f"{PAGE}.json?_mode=similar&q=0+0+0+0+0+0+0")["rows"][0]["id"] == "hound"
    assert numbers.asked == ["1 0 0 0 0 0 0 0"]


def test_a_file_from_before_there_were_prefixes_has_none(site, animals, numbers):
    for trigger in ("delete", "insert", "update"):
        write(animals, f"drop trigger vecstore_prefixes_{trigger}")
    write(animals, "drop table vecstore_prefixes")
    found = site(animals, config=ALLOW_EMBED)
    assert found.json(f"{PAGE}.json?_mode=similar&q=1+0+0+0+0+0+0+0")["rows"][0]["id"] == "hound"
    assert numbers.asked == ["1 0 0 0 0 0 0 0"]


def test_their_table_is_hidden(site, animals):
    tables = {table["name"]: table["hidden"] for table in site(animals).json("/zoo.json")["tables"]}
    assert tables["vecstore_prefixes"] is True
