-- The documented tables. The five files 0001 to 0005 are recorded in the migration set
-- "llm.embeddings", under llm's names, so that llm does not create these tables again. This one
-- creates them as they are after all five; the others bring forward what an older llm has made.

CREATE TABLE "collections" (
   "id" INTEGER PRIMARY KEY,
   "name" TEXT,
   "model" TEXT
);

CREATE UNIQUE INDEX "idx_collections_name"
    ON "collections" ("name");

CREATE TABLE "embeddings" (
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

CREATE INDEX "idx_embeddings_content_hash"
    ON "embeddings" ("content_hash");
