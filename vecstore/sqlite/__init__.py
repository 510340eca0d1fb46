"""Everything that is done with SQLite: the tables of a file, their index, searches, upkeep.

From the ground up:

    connection     opens a file with sqlite-vec loaded, for threads, forks and two SQLite libraries
    transactions   a transaction, a savepoint, a snapshot
    schema         migrations
    catalog        the rows of `collections`
    index          the vec0 tables and triggers of one dimension
    search         one query: which plan answers it
    functions      what SQL can call
    databases      connect() and adopt(): a Database with all of that in it
    store          every statement on the entries of a collection
    maintenance    check, build and drop the index, compact, back up
    user_query     a SELECT of the user's, for embed-multi

Collections use `store` alone, through the protocol in `vecstore/store.py`. The command line and the
plugin for Datasette use what they need.
"""
