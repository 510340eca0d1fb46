"""Everything that is done with SQLite: the tables of a file, their index, searches, upkeep.

Rooms, lower ones first:

    connection    opens a file with sqlite-vec loaded, for threads, forks and two SQLite libraries
    index         the vec0 tables and triggers of one dimension
    search        one query: which plan answers it
    maintenance   check, build and drop the index, compact, back up

Beside them:

    transactions  blocks that are one whole: a transaction, a snapshot, a setting
    schema        the tables, and the migrations to them
    catalog       the rows of `collections`
    functions     what SQL can call
    databases     connect(), adopt(): a connection with all of that
"""
