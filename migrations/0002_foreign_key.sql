-- llm's m002_foreign_key.

CREATE TABLE "embeddings_new" (
   "collection_id" INTEGER REFERENCES "collections"("id"),
   "id" TEXT,
   "embedding" BLOB,
   "content" TEXT,
   "metadata" TEXT,
   PRIMARY KEY ("collection_id", "id")
);

INSERT INTO "embeddings_new" ("collection_id", "id", "embedding", "content", "metadata")
SELECT "collection_id", "id", "embedding", "content", "metadata"
FROM "embeddings"
ORDER BY rowid;

DROP TABLE "embeddings";

ALTER TABLE "embeddings_new" RENAME TO "embeddings";
