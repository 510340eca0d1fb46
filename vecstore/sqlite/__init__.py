"""Everything that is done with SQLite: the tables of a file, their index, searches, upkeep.

From the ground up:

    connection     opens a file with sqlite-vec loaded, for threads, forks and two SQLite libraries
    transactions   a transaction, a savepoint, a snapshot
    schema         migrations, whose SQL is found by migration_files
    catalog        the rows of `collections`
    collection_prefixes  what a collection puts before queries and documents
    journal        which rows have changed, where the index is in a file of its own
    related_tables  the tables of related items, which only some files have
    rowid_spans    reads a table a portion at a time
    index_names    what the tables and triggers of an index are called
    index          the vec0 tables of one dimension, inside a file and beside it
    search         one query: which plan answers it
    related        what is nearest to each entry, in a table for everybody
    functions      what SQL can call
    databases      connect() and adopt(): a Database with all of that in it
    store          every statement on the entries of a collection
    maintenance    check, build and drop the index, compact, back up
    user_query     a SELECT of the user's, for embed-multi

Collections use `store` alone, through the protocol in `vecstore/store.py`. The command line and the
plugin for Datasette use what they need.
"""
