-- Only for a file whose index is in a file beside it: which rows have changed, for that index to follow. These triggers
-- run in any SQLite, without an extension. A file whose index is inside has none of this.
--
-- The token tells the changes of this file from those of a copy that went its own way with the same numbers. The last
-- change stays here, and so do all that the index has yet to follow. So numbers are given once without AUTOINCREMENT, whose
-- table sqlite_sequence is in the way of other programs: sqlite-utils enable-counts fails at it.

CREATE TABLE IF NOT EXISTS "vecstore_changes" (
   "seq" INTEGER PRIMARY KEY,
   "collection_id" INTEGER,
   "id" TEXT,
   "token" BLOB
);

CREATE TRIGGER "vecstore_changes_insert"
AFTER INSERT ON "embeddings"
BEGIN
   INSERT INTO "vecstore_changes" ("collection_id", "id", "token")
   VALUES (new."collection_id", new."id", randomblob(8));
END;

CREATE TRIGGER "vecstore_changes_update"
AFTER UPDATE OF "collection_id", "id", "embedding", "content" ON "embeddings"
WHEN (old."collection_id", old."id", old."embedding", old."content")
   IS NOT (new."collection_id", new."id", new."embedding", new."content")
BEGIN
   INSERT INTO "vecstore_changes" ("collection_id", "id", "token")
   SELECT old."collection_id", old."id", randomblob(8)
   WHERE (old."collection_id", old."id") IS NOT (new."collection_id", new."id");
   INSERT INTO "vecstore_changes" ("collection_id", "id", "token")
   VALUES (new."collection_id", new."id", randomblob(8));
END;

CREATE TRIGGER "vecstore_changes_delete"
AFTER DELETE ON "embeddings"
BEGIN
   INSERT INTO "vecstore_changes" ("collection_id", "id", "token")
   VALUES (old."collection_id", old."id", randomblob(8));
END;
