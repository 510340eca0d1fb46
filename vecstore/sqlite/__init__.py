"""Everything that is done with SQLite: the tables of a file, their index, searches, upkeep.

From the ground up:

    connection           opens a file with sqlite-vec loaded, for threads, forks and two libraries
    transactions         a transaction, a savepoint, a snapshot
    schema               migrations, whose SQL is found by migration_files
    catalog              the rows of `collections`
    collection_prefixes  what a collection puts before queries and documents
    documents            documents and their chunks, as rows
    metadata_indexes     indexes of a key of the metadata
    journal              which rows have changed, where the index is in a file of its own
    related_tables       the tables of related items, which only some files have
    rowid_spans          reads a table a portion at a time
    index_names          what the tables and triggers of an index are called
    index                the vec0 tables of one dimension, inside a file and beside it; keywords
    search               one query: which plan answers it
    succession           a collection that takes another's place
    related              what is nearest to each entry, in a table for everybody
    row_writing          rows are written, and the index gets them
    functions            what SQL can call; table_functions, those that return rows
    databases            connect() and adopt(): a Database with all of that in it
    store                the protocol of a store: what else reads and deletes entries
    maintenance          check, build and drop the index, compact, back up
    user_query           a SELECT of the user's, for embed-multi

Collections use `store` alone, through the protocol in `vecstore/store.py`. The command line and the
plugin for Datasette use what they need.
"""
