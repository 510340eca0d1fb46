-- Only for a file of which somebody has asked for related items. The first table is for everybody: it needs no extension
-- and no model. In it are, of each entry of a collection, those nearest to it, the nearest with the rank 1.
--
-- The other two tell what has changed since: of each entry a digest of its vector, with the document that it is a chunk of,
-- and how many are listed for it, NULL where the list is to be computed anew. A run of vecstore that has begun says so with
-- a token of its own, so that no run writes what another one has overtaken.
--
-- The triggers need no extension: a collection that is deleted and made anew, by whatever program, has no related items of
-- another's. OR REPLACE fires no delete trigger, but that of the row that it inserts.

CREATE TABLE IF NOT EXISTS "vecstore_related" (
   "collection_id" INTEGER,
   "id" TEXT,
   "rank" INTEGER,
   "related_id" TEXT,
   "score" FLOAT,
   PRIMARY KEY ("collection_id", "id", "rank")
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS "vecstore_related_state" (
   "collection_id" INTEGER,
   "id" TEXT,
   "digest" BLOB,
   "listed" INTEGER,
   PRIMARY KEY ("collection_id", "id")
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS "vecstore_related_runs" (
   "collection_id" INTEGER PRIMARY KEY,
   "number" INTEGER,
   "token" BLOB
);

CREATE TRIGGER IF NOT EXISTS "vecstore_related_delete"
AFTER DELETE ON "collections"
BEGIN
   DELETE FROM "vecstore_related" WHERE "collection_id" = old."id";
   DELETE FROM "vecstore_related_state" WHERE "collection_id" = old."id";
   DELETE FROM "vecstore_related_runs" WHERE "collection_id" = old."id";
END;

CREATE TRIGGER IF NOT EXISTS "vecstore_related_insert"
AFTER INSERT ON "collections"
BEGIN
   DELETE FROM "vecstore_related" WHERE "collection_id" = new."id";
   DELETE FROM "vecstore_related_state" WHERE "collection_id" = new."id";
   DELETE FROM "vecstore_related_runs" WHERE "collection_id" = new."id";
END;

CREATE TRIGGER IF NOT EXISTS "vecstore_related_update"
AFTER UPDATE OF "id" ON "collections"
WHEN old."id" <> new."id"
BEGIN
   DELETE FROM "vecstore_related" WHERE "collection_id" = new."id";
   DELETE FROM "vecstore_related_state" WHERE "collection_id" = new."id";
   DELETE FROM "vecstore_related_runs" WHERE "collection_id" = new."id";
   UPDATE "vecstore_related" SET "collection_id" = new."id" WHERE "collection_id" = old."id";
   UPDATE "vecstore_related_state" SET "collection_id" = new."id" WHERE "collection_id" = old."id";
   UPDATE "vecstore_related_runs" SET "collection_id" = new."id" WHERE "collection_id" = old."id";
END;
