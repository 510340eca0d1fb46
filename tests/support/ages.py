"""Databases as llm made them, from its first schema on."""

import json

import pytest
import sqlite_utils

import vecstore

MIGRATIONS = [
    ("llm.embeddings", "m001_create_tables"),
    ("llm.embeddings", "m002_foreign_key"),
    ("llm.embeddings", "m003_add_updated"),
    ("llm.embeddings", "m004_store_content_hash"),
    ("llm.embeddings", "m005_add_content_blob"),
    ("vecstore", "0006_guard_embeddings"),
    ("vecstore", "0007_views"),
    ("vecstore", "0008_content_hash_index"),
    ("vecstore", "0009_changes"),
    ("vecstore", "0010_documents"),
    ("vecstore", "0011_prefixes"),
    ("vecstore", "0012_related"),
]


def make_llm_database(path, stop_before=None):
    """Have llm make a database, of the age that is asked for, with two entries."""
    migrations = pytest.importorskip("llm.embeddings_migrations").embeddings_migrations
    db = sqlite_utils.Database(path)
    migrations.apply(db, stop_before=stop_before)
    db["collections"].insert({"id": 7, "name": "old", "model": "vectors"})
    for id, vector, content in [("a", [1, 0], "text of a"), ("b", [0, 1], None)]:
        row = {"collection_id": 7, "id": id, "embedding": vecstore.encode(vector)}
        db["embeddings"].insert({**row, "content": content, "metadata": json.dumps({"id": id})})
    db.close()


AGES = [
    "m002_foreign_key",
    "m003_add_updated",
    "m004_store_content_hash",
    "m005_add_content_blob",
    None,
]
