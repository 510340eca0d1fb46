"""The protocol of a store on PostgreSQL, with pgvector. It needs the extra `postgres`.

errors            PostgreSQL's errors as ours
vectors           vectors as they go over the wire
connection        one connection for each thread, and its transactions
schema            the migrations
catalog           the rows of `collections`
embeddings        the rows of `embeddings`: what reads and writes them
documents         which entries are the chunks of a document
where             the condition of a search, which is SQL of the user's
hnsw              the indexes of large collections: built, listed and dropped
search            one similarity query, and the plan that answers it
keywords          what the words of a query find, and what each is worth
snippets          the part of a text that shows what was found
fusion            searches by keywords and meaning
related           the table of related items; related_entries has what it is computed from
metadata_indexes  indexes of the values of a key
succession        a collection that takes another's place
copying           what a copy from store to store asks: digests of rows, and COPY
distribution      the tables as those of a Citus cluster
checks            whether a database is sound
store             the protocol
"""
