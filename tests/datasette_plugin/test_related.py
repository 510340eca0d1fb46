"""Related items: the table shows like any other, and what vecstore remembers of it is hidden."""

import asyncio
from contextlib import closing

from datasette.app import Datasette

import vecstore
from tests.support.models import Vectors
from vecstore import Collection


def test_who_may_not_view_the_embeddings_sees_none_of_it(path, site):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        pets = Collection("pets", db, model=Vectors(), index="beside")
        pets.embed_multi([("a", "1 0"), ("b", "1 1")])
        pets.related_table()
    allow = {"tables": {"embeddings": {"allow": {"id": "root"}}}}
    found = site(path, config={"databases": {"test": allow}})
    for table in ("vecstore_related", "vecstore_related_state"):
        assert found.get(f"/test/{table}.json").status_code == 403


def test_the_table_is_shown_and_its_state_hidden(path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        pets = Collection("pets", db, model=Vectors(), index="beside")
        pets.embed_multi([("a#x/1", "1 0"), ("b", "1 1")])
        pets.related_table()

    async def read():
        datasette = Datasette([path])
        await datasette.invoke_startup()
        page = await datasette.client.get("/test/vecstore_related.json?_shape=array")
        row = await datasette.client.get("/test/vecstore_related/1,a~23x~2F1,1.json?_shape=array")
        tables = (await datasette.client.get("/test.json")).json()["tables"]
        return page.json(), row.status_code, {table["name"]: table["hidden"] for table in tables}

    listed, status, tables = asyncio.run(read())
    assert [(row["id"], row["related_id"]) for row in listed] == [("a#x/1", "b"), ("b", "a#x/1")]
    assert status == 200
    hidden = {name: is_hidden for name, is_hidden in tables.items() if "related" in name}
    assert hidden == {
        "vecstore_related": False,
        "vecstore_related_runs": True,
        "vecstore_related_state": True,
    }
