"""Embeds a collection again and is killed.

    python -m tests.support.reembed_killed PATH DRIVER SENT [DOCUMENT_PREFIX]

Each text that the model is given is a line of JSON in the file SENT. It prints a line when it
begins, and one for each batch that is written.
"""

import json
import sys
from contextlib import closing
from pathlib import Path

import vecstore
from tests.support.killed import say
from tests.support.models import Pseudorandom, pseudorandom

BATCH = 20


class Model(Pseudorandom):
    """Takes note of what it is given."""

    model_id = "new"

    def __init__(self, sent: Path) -> None:
        self.sent = sent

    def embed_batch(self, items):
        items = list(items)
        with self.sent.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(item)}\n" for item in items)
        return [pseudorandom(item, self.dimensions) for item in items]


def main(path: str, driver: str, sent: str, prefix: str = "") -> None:
    with closing(vecstore.connect(path, driver=driver)) as db:
        say(0)
        vecstore.Collection("pets", db, create=False).reembed(
            Model(Path(sent)),
            document_prefix=prefix,
            batch_size=BATCH,
            progress=lambda report: say(report.embedded + report.reused),
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
