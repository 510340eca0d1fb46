-- What a collection has said to put before a query, and before a document, when they are embedded; NULL for what its model
-- says. The triggers need no extension: a collection that is deleted and made anew, by whatever program, has no prefixes of
-- another's. OR REPLACE fires no delete trigger, but that of the row that it inserts. They are created again when they are
-- missing: sqlite-utils' transform() drops triggers.

CREATE TABLE IF NOT EXISTS "vecstore_prefixes" (
   "collection_id" INTEGER PRIMARY KEY,
   "query_prefix" TEXT CHECK (typeof("query_prefix") IN ('text', 'null')),
   "document_prefix" TEXT CHECK (typeof("document_prefix") IN ('text', 'null'))
);

DELETE FROM "vecstore_prefixes"
WHERE "collection_id" NOT IN (SELECT "id" FROM "collections");

CREATE TRIGGER IF NOT EXISTS "vecstore_prefixes_delete"
AFTER DELETE ON "collections"
BEGIN
   DELETE FROM "vecstore_prefixes"
   WHERE "collection_id" = old."id";
END;

CREATE TRIGGER IF NOT EXISTS "vecstore_prefixes_insert"
AFTER INSERT ON "collections"
BEGIN
   DELETE FROM "vecstore_prefixes"
   WHERE "collection_id" = new."id";
END;

CREATE TRIGGER IF NOT EXISTS "vecstore_prefixes_update"
AFTER UPDATE OF "id" ON "collections"
WHEN old."id" <> new."id"
BEGIN
   DELETE FROM "vecstore_prefixes"
   WHERE "collection_id" = new."id";
   UPDATE "vecstore_prefixes"
   SET "collection_id" = new."id"
   WHERE "collection_id" = old."id";
END;
