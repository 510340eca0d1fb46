-- llm's m005_add_content_blob, which also puts the columns into their documented order.

CREATE TABLE "embeddings_new" (
   "collection_id" INTEGER REFERENCES "collections"("id"),
   "id" TEXT,
   "embedding" BLOB,
   "content" TEXT,
   "content_blob" BLOB,
   "content_hash" BLOB,
   "metadata" TEXT,
   "updated" INTEGER,
   PRIMARY KEY ("collection_id", "id")
);

INSERT INTO "embeddings_new" ("collection_id", "id", "embedding", "content", "content_hash", "metadata", "updated")
SELECT "collection_id", "id", "embedding", "content", "content_hash", "metadata", "updated"
FROM "embeddings"
ORDER BY rowid;

DROP TABLE "embeddings";

ALTER TABLE "embeddings_new" RENAME TO "embeddings";

CREATE INDEX "idx_embeddings_content_hash"
    ON "embeddings" ("content_hash");
