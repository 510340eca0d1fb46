"""Related items: of each entry of a collection, those nearest to it, in a plain table.

    computing   compute(): what is to be computed, and the transactions that write it
    changes     what has changed since the last run, told by digests
    snapshot    the entries as they are at one moment, in temporary tables
    proposals   with NumPy: which entries may be among the nearest, for SQL to compare
    ranking     the comparisons, and the ranks, in SQL

Others use `computing`, and ask `proposals` whether there is NumPy.

No lock is held while items are compared. A run has three parts:

1. A copy of the entries, and what that says of the lists that there are.
2. One transaction notes the digests of that copy, and which lists are to be computed anew, and
   removes what is of entries that are gone. From then on, the lists that are not marked are right
   for the copy. Its token tells a run that still works for an older copy to stop.
3. Transactions that each write the whole lists of some items, and take their marks away.

So a run that is killed leaves marks, and the next one goes on with these and with what has changed
since.
"""
