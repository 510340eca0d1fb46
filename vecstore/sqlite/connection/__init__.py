"""Connections: how a file is opened or adopted, and what keeps several users of it apart.

`vecstore.sqlite.databases` opens for everybody else: it adds the functions of SQL. Others use

    adoption          give a user's connection sqlite-vec, or replace it by one that has it
    database          what is asked of a database; that becomes sqlite-utils' for who wants it
    dbapi             Connection: apsw in the shape of sqlite3
    dbapi_translation RAISING_SQLITE3_ERRORS: a context that apsw's errors leave as sqlite3's
    extension         load sqlite-vec
    attached_index    the file of an index that is attached, and detached where it is in the way
    filenames         URIs, and the files of a connection
    frozen            read one state of a file that SQLite takes for one that does not change
    identifiers       quote the names of SQL
    interruptible     let ^C end a statement that SQLite is long at
    interrupts        `with` blocks that end wherever a KeyboardInterrupt comes
    locks             wait for the locks of other connections
    opening           open a file by a driver; what a connection is called and can do
    pragmas           a function for each setting
    rights            what a user may do with files, and what to say where they may not
    sqlite_errors     what SQLite says by an error, and which of ours that becomes: by its codes
    turns             one thread at a time, and no forked child
    user_functions    remember what users register with sqlite-utils

and only this package itself uses

    error_handlers    a context whose errors go through a function
    file_status       whether a file was changed, without a look into it
    guard             keep two SQLite libraries of one process off one file
    replacement       what a connection hands on to the one that takes its place
    threaded_sqlite3  a connection of sqlite3 for several threads
    watched           what connections and cursors do for `frozen`
"""
