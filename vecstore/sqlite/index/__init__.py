"""The vector index of one dimension.

    names        what its tables and triggers are called
    tables       their SQL
    bits         how many bits stand for a vector, and the SQL that makes them
    building     whether the index is there; builds and drops it
    dimensions   which dimension the vectors of a collection have
    partitions   which collections have a partition of their own

All are used by searches and by upkeep; `names` also by the plugin for Datasette.
"""
