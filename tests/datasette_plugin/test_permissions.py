"""Who may not view the tables sees nothing of their index."""

import pytest

from tests.support.sites import ALLOW_EMBED, PAGE


@pytest.mark.parametrize("path", ["", ".json", "/animals", "/animals.json", "/animals?id=hound"])
@pytest.mark.parametrize(
    "denied",
    [
        {"allow": {"id": "root"}},
        {"databases": {"zoo": {"allow": {"id": "root"}}}},
        {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}},
        {"databases": {"zoo": {"tables": {"collections": {"allow": {"id": "root"}}}}}},
    ],
)
def test_who_may_not_view_the_tables_gets_403(site, animals, denied, path):
    found = site(animals, config={**denied, **ALLOW_EMBED})
    assert found.get(f"/zoo/-/similar{path}").status_code == 403
    assert found.get(f"/zoo/-/similar{path}", actor={"id": "cleo"}).status_code == 403
    assert found.get(f"/zoo/-/similar{path}", actor={"id": "root"}).status_code == 200


def test_who_may_not_view_the_table_may_not_view_its_index(site, animals):
    config = {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}}
    found = site(animals, config=config)
    for table in ("vec_embeddings_8", "vec_embeddings_8_ids", "vecstore_items"):
        assert found.get(f"/zoo/{table}").status_code == 403
        assert found.get(f"/zoo/{table}", actor={"id": "root"}).status_code == 200
    assert found.get("/zoo/collections").status_code == 200
    assert "similar" not in found.get("/zoo").text


def test_a_denied_page_calls_no_model(site, animals, numbers):
    found = site(animals, config={**ALLOW_EMBED, "databases": {"zoo": {"allow": False}}})
    assert found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0").status_code == 403
    assert numbers.asked == []
