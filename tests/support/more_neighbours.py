"""Neighbours of a file whose index is beside it: nobody needs an extension, or is refused."""

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace

import vecstore
from tests.support.neighbour_vectors import DIMENSIONS, vector
from tests.support.neighbours import Neighbours, Row, assert_same_scores, encoded, where
from vecstore import Collection

SHELL = "sqlite3"


class MoreNeighbours(Neighbours):
    """Also the shell of SQLite, Python's sqlite3, and what sqlite-utils does to whole tables."""

    def assert_searches(self) -> None:
        """Compare a search of vecstore's in each collection with brute force."""
        if not self.has_tables():
            return
        with closing(vecstore.connect(self.path, driver="apsw")) as db:
            for name, model in self.models.items():
                if not any(row.vector for row in self.of(name).values()):
                    continue
                query = tuple(vector(f"query {len(self.log)}", DIMENSIONS[model]))
                hits = Collection(name, db, create=False).similar_by_vector(query, 1000)
                found = {hit.id: hit.score for hit in hits}
                assert_same_scores(found, self.nearest(name, query)), self.log

    # By hand: `program` is the shell or Python.

    def sql(self, program: str, sql: str) -> None:
        if not self.has_tables():
            return
        self.log.append(f"{program}: {sql}")
        if program == SHELL:
            command = [SHELL, self.path, f"pragma foreign_keys = on; {sql}"]
            subprocess.run(command, check=True, capture_output=True)
            return
        with closing(sqlite3.connect(self.path)) as conn, conn:
            conn.execute("pragma foreign_keys = on")
            conn.execute(sql)

    def sql_insert(self, program: str, name: str, id: str) -> None:
        if name not in self.models:
            return
        blob = encoded(self.new_text(), self.models[name])
        self.sql(
            program,
            f"""
            insert or replace into embeddings (collection_id, id, embedding)
            select id, '{id}', x'{blob.hex()}' from collections where name = '{name}'
            """,
        )
        self.rows[name, id] = Row(blob)

    def sql_update(self, program: str, name: str, id: str) -> None:
        if (name, id) not in self.rows:
            return
        blob = encoded(self.new_text(), self.models[name])
        self.sql(
            program, f"update embeddings set embedding = x'{blob.hex()}' where {where(name, id)}"
        )
        self.rows[name, id] = replace(self.rows[name, id], embedding=blob)

    def sql_delete(self, program: str, name: str, id: str) -> None:
        self.sql(program, f"delete from embeddings where {where(name, id)}")
        self.rows.pop((name, id), None)

    def sql_rename(self, program: str, name: str, id: str, new: str) -> None:
        """Give a row another key, in the place of the row that has it."""
        self.sql(program, f"update or replace embeddings set id = '{new}' where {where(name, id)}")
        if (name, id) in self.rows:
            self.rows[name, new] = self.rows.pop((name, id))

    def sql_undo(self, program: str) -> None:
        self.sql(program, "create table if not exists own (a)")
        with closing(sqlite3.connect(self.path)) as conn:
            if self.has_tables():
                conn.execute("delete from embeddings")
                conn.rollback()

    def shell_dump(self) -> None:
        """Make the file anew from its SQL; the index is that of the one before."""
        if not self.has_tables():
            return
        self.log.append("dumped and read")
        dump = subprocess.run([SHELL, self.path, ".dump"], check=True, capture_output=True).stdout
        self.renew(dump)

    def renew(self, dump: bytes) -> None:
        for name in ("again.db", "again.db-journal"):
            (self.folder / name).unlink(missing_ok=True)
        again = self.folder / "again.db"
        subprocess.run([SHELL, again], input=dump, check=True, capture_output=True)
        # In the journal mode of before, as no -wal of another file may be there.
        with closing(sqlite3.connect(self.path)) as conn:
            conn.execute("pragma journal_mode = delete")
        again.replace(self.path)

    # By sqlite-utils.

    def utils(self, *args: str) -> None:
        if self.has_tables():
            self.write("sqlite_utils", args[0], self.path, *args[1:])

    def utils_rename_table(self) -> None:
        """Rename a user's table and back, for which SQLite reads all triggers and views."""
        self.utils("query", "create table if not exists mine (id integer primary key, text)")
        self.utils("rename-table", "mine", "yours")
        self.utils("rename-table", "yours", "mine")

    def utils_full_text_search(self) -> None:
        """Once in a file: no sqlite-utils can replace what one of another age has made."""
        with closing(sqlite3.connect(self.path)) as conn:
            found = conn.execute("select 1 from sqlite_master where name = 'embeddings_fts'")
            is_there = found.fetchone() is not None
        if not is_there:
            self.utils("enable-fts", "embeddings", "content", "--create-triggers")

    def utils_dump(self) -> None:
        if self.has_tables():
            self.read("sqlite_utils", "dump", self.path)

    def utils_tables(self) -> None:
        if self.has_tables():
            found = json.loads(self.read("sqlite_utils", "tables", self.path, "--counts"))
            counts = {table["table"]: table["count"] for table in found}
            assert counts["embeddings"] == len(self.rows), self.log
