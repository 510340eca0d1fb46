"""The vector index of one dimension, inside a file or in a file beside it.

    tables           its tables, and the triggers that keep one inside equal to the rows
    bits             how many bits stand for a vector, and the SQL that makes them
    partitions       which collections have a partition of their own
    build_progress   how far a build has come
    filling          brings it into step for many entries at once
    building         whether the one inside is there; builds, writes and drops it
    beside           the one beside, attached, and how far it has come
    index_file       what its file is, who may read it, and that another program's is left alone
    beside_writing   the connection and the transactions that write it
    following        brings it into step with the journal of changes
    usable           which of the two a search can use, and what makes it ready
    keyword_tables   the keyword index: its tables, and the triggers that keep one inside in step
    keyword_building whether the one inside is there; builds, fills and drops it
    tokenizers       which one FTS5 uses in it
    usable_keywords  which of the two a search can use, and what makes it ready
    hnsw             a graph, by usearch
    graphs           what an index notes of graphs, and what is fresh since they were made
    graph_files      the files that they are
    graph_building   builds and extends one
    open_graphs      those that this process searches
    kept_graphs      keeps those that collections are to have
    dimensions       which dimension the vectors of a collection have

All are used by searches and by upkeep; `beside` also by who opens a connection.
"""
