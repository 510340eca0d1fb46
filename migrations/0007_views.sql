-- What the tables hold, for people: read with any SQLite, without an extension.
-- A table or view of these names that is the user's own stays. They are created again when they are
-- missing: what drops or renames a column of the tables has to drop them first.
--
-- Scalar subqueries, because SQLite leaves out those whose columns a query does not ask for: only
-- "updated" has to read all rows of a collection.

CREATE VIEW IF NOT EXISTS "vecstore_collections" AS
SELECT
   "collections"."name" AS "name",
   "collections"."model" AS "model",
   (
      SELECT length("embeddings"."embedding") / 4
      FROM "embeddings"
      WHERE "embeddings"."collection_id" = "collections"."id"
         AND length("embeddings"."embedding") > 0
      LIMIT 1
   ) AS "dimensions",
   (
      SELECT count(*)
      FROM "embeddings"
      WHERE "embeddings"."collection_id" = "collections"."id"
   ) AS "items",
   (
      SELECT strftime('%Y-%m-%dT%H:%M:%SZ', max("embeddings"."updated"), 'unixepoch')
      FROM "embeddings"
      WHERE "embeddings"."collection_id" = "collections"."id"
   ) AS "updated"
FROM "collections";

CREATE VIEW IF NOT EXISTS "vecstore_items" AS
SELECT
   "collections"."name" AS "collection",
   "embeddings"."id" AS "id",
   "embeddings"."content" AS "content",
   "embeddings"."metadata" AS "metadata",
   strftime('%Y-%m-%dT%H:%M:%SZ', "embeddings"."updated", 'unixepoch') AS "updated",
   length("embeddings"."embedding") / 4 AS "dimensions"
FROM "embeddings"
JOIN "collections" ON "collections"."id" = "embeddings"."collection_id";
