"""Two phrases, as a file of each format and as the rows that are stored of them."""

ROWS = [("1", "hello world"), ("2", "goodbye world")]

FILES = {
    "phrases.csv": "id,phrase\n1,hello world\n2,goodbye world\n",
    "phrases.tsv": "id\tphrase\n1\thello world\n2\tgoodbye world\n",
    "phrases.jsonl": '{"id": 1, "phrase": "hello world"}\n{"id": 2, "phrase": "goodbye world"}\n',
    "phrases.json": '[{"id": 1, "phrase": "hello world"},\n {"id": 2, "phrase": "goodbye world"}]',
}

FORMATS = dict(zip(FILES, ["csv", "tsv", "nl", "json"], strict=True))


def pairs(rows: list[tuple]) -> list[tuple]:
    return [(id, content) for id, content, _ in rows]
