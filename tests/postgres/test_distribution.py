"""What is asked of Citus, in which order, and what is said where there is none.

No package that the tests may install has Citus. A fake stands for it here: functions of its names
and tables of its catalog, which record what they are called with.
"""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from click.testing import CliRunner

from tests.support.models import Vectors
from vecstore import Collection, DatabaseError, ExtensionError
from vecstore.cli.root import cli
from vecstore.postgres import distribution
from vecstore.postgres.store import PostgresStore

FAKE = """
    insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    values (999999, 'citus', 10, 'public'::regnamespace, false, '13.0-1');

    create table calls (n int generated always as identity, call text);
    create table pg_dist_partition (logicalrelid regclass, partkey text, repmodel "char");

    create function column_to_column_name(regclass, text) returns text
    language sql return $2;

    create function create_reference_table(name regclass) returns void
    language sql as $$
      insert into calls (call) values (format('reference %s', name));
      insert into pg_dist_partition values (name, null, 't');
    $$;

    create function create_distributed_table(name regclass, by text, colocate_with text)
    returns void
    language sql as $$
      insert into calls (call) values (format('spread %s by %s, %s', name, by, colocate_with));
      insert into pg_dist_partition values (name, by, 's');
    $$;

    create function truncate_local_data_after_distributing_table(name regclass) returns void
    language sql as $$
      insert into calls (call) values (format('truncate %s', name));
    $$;
"""


@pytest.fixture
def admin(postgres_url) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(postgres_url) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres_url)) as opened:
        yield opened


def calls(admin: psycopg.Connection) -> list[str]:
    """Return what was called since the last time, in order."""
    return [
        call
        for (call,) in admin.execute(
            "with a as (delete from calls returning *) select call from a order by n"
        )
    ]


def test_small_tables_are_copied_before_the_entries_are_spread(store, admin):
    Collection("test", store, model=Vectors()).embed("a", "1 0")
    admin.execute(FAKE)
    done = distribution.distribute(store.db)
    made = calls(admin)
    copied = [call for call in made if call.startswith("reference")]
    spread = [call for call in made if call.startswith("spread")]
    assert copied[0] == "reference collections"
    assert {"reference vecstore_migrations", "reference vecstore_prefixes"} < set(copied)
    assert spread[0] == "spread embeddings by id, default"
    assert all(call.endswith("by id, embeddings") for call in spread[1:])
    assert made[: len(copied) + len(spread)] == copied + spread
    assert "truncate embeddings" in made
    assert {table.name for table in done if table.is_spread} == {call.split()[1] for call in spread}
    assert all(table.is_new for table in done)


def test_each_table_of_ours_is_distributed_and_no_other(store, admin):
    store.ensure_schema()
    admin.execute("create table theirs (id text primary key)")
    tables = {
        name
        for (name,) in admin.execute(
            """
            select relname
            from pg_class
            where relnamespace = 'public'::regnamespace
              and relkind = 'r'
            """
        )
    }
    admin.execute(FAKE)
    assert {table.name for table in distribution.distribute(store.db)} == tables - {"theirs"}


def test_a_second_time_nothing_is_done_but_for_new_tables(store, admin):
    admin.execute(FAKE)  # and no tables yet
    distribution.distribute(store.db)
    calls(admin)
    assert not any(table.is_new for table in distribution.distribute(store.db))
    assert calls(admin) == []
    admin.execute("create table vecstore_later (collection_id bigint, id text)")
    done = distribution.distribute(store.db)
    assert [table.name for table in done if table.is_new] == ["vecstore_later"]
    assert calls(admin) == ["spread vecstore_later by id, embeddings", "truncate vecstore_later"]


def test_after_an_error_all_is_as_it_was(store, admin):
    admin.execute(FAKE)
    admin.execute(
        """
        create or replace function create_distributed_table(
          name regclass, by text, colocate_with text
        ) returns void
        language plpgsql as $$
        begin
          raise exception 'a worker does not answer';
        end
        $$
        """
    )
    with pytest.raises(DatabaseError, match="a worker does not answer"):
        distribution.distribute(store.db)
    assert calls(admin) == []


def test_a_table_that_is_spread_by_something_else_is_refused(store, admin):
    store.ensure_schema()
    admin.execute(FAKE)
    admin.execute("insert into pg_dist_partition values ('embeddings', 'collection_id', 's')")
    with pytest.raises(DatabaseError, match="'embeddings' spread by 'collection_id'.*undistribute"):
        distribution.distribute(store.db)
    assert calls(admin) == []


def test_a_database_without_citus_says_what_to_install(store):
    with pytest.raises(ExtensionError, match="has no Citus: install it on each node"):
        distribution.distribute(store.db)
    assert not Collection.exists(store, "test")


def test_an_older_citus_is_refused(store, admin):
    admin.execute(FAKE)
    admin.execute("update pg_extension set extversion = '11.3-1' where extname = 'citus'")
    with pytest.raises(ExtensionError, match="has Citus 11.3-1, and vecstore needs 12.1 or later"):
        distribution.distribute(store.db)


def test_a_transaction_is_refused(store, admin):
    admin.execute(FAKE)
    store.ensure_schema()
    with pytest.raises(DatabaseError, match="in a transaction: commit it first"), store.writing():
        distribution.distribute(store.db)


def test_the_command_says_what_it_did(postgres_url, admin):
    admin.execute(FAKE)
    result = CliRunner().invoke(cli, ["postgres", "distribute", postgres_url])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "collections: on all nodes"
    assert "embeddings: spread over the nodes by id" in lines
    assert lines[-1].endswith(f"tables of {postgres_url} distributed")
    result = CliRunner().invoke(cli, ["postgres", "distribute", postgres_url])
    lines = result.output.splitlines()
    assert lines[0] == "collections: on all nodes, as before"
    assert lines[-1] == f"0 tables of {postgres_url} distributed"


def test_the_command_wants_a_url(tmp_path):
    result = CliRunner().invoke(cli, ["postgres", "distribute", str(tmp_path / "pets.db")])
    assert (result.exit_code, "pets.db is no URL of PostgreSQL" in result.output) == (1, True)
