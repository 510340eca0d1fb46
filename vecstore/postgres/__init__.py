"""The protocol of a store on PostgreSQL, with pgvector. It needs the extra `postgres`.

errors        PostgreSQL's errors as ours
vectors       vectors as they go over the wire
connection    one connection for each thread, and its transactions
schema        the migrations
catalog       the rows of `collections`
rows          the rows of `embeddings`: what reads and writes them
documents     which entries are the chunks of a document
store         the protocol
"""
