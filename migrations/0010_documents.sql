-- The documents of which there are chunks, for people: read with any SQLite that has its JSON functions.
-- A table or view of this name that is the user's own stays. It is created again when it is missing.
--
-- A row is a chunk if its id and metadata agree on that: other programs' metadata may have such keys too, or be no JSON,
-- at which the JSON functions fail. CASE keeps them from it; SQLite may change the order of what AND joins.

CREATE VIEW IF NOT EXISTS "vecstore_documents" AS
SELECT
   "collections"."name" AS "collection",
   json_extract("embeddings"."metadata", '$.document') AS "document",
   count(*) AS "chunks",
   max(json_extract("embeddings"."metadata", '$.end')) AS "characters",
   strftime('%Y-%m-%dT%H:%M:%SZ', max("embeddings"."updated"), 'unixepoch') AS "updated"
FROM "embeddings"
JOIN "collections" ON "collections"."id" = "embeddings"."collection_id"
WHERE CASE
   WHEN instr("embeddings"."id", '#') AND typeof("embeddings"."metadata") = 'text' AND json_valid("embeddings"."metadata")
   THEN json_type("embeddings"."metadata", '$.document') = 'text'
      AND json_type("embeddings"."metadata", '$.chunk') = 'integer'
      AND json_extract("embeddings"."metadata", '$.chunk') >= 1
      AND "embeddings"."id" = json_extract("embeddings"."metadata", '$.document')
         || '#' || json_extract("embeddings"."metadata", '$.chunk')
   ELSE 0
END
GROUP BY "collections"."name", "document";
