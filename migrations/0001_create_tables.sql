-- llm's m001_create_tables. The five files 0001 to 0005 are recorded in the migration set
-- "llm.embeddings", under llm's names, so that llm does not create these tables again.

CREATE TABLE "collections" (
   "id" INTEGER PRIMARY KEY,
   "name" TEXT,
   "model" TEXT
);

CREATE UNIQUE INDEX "idx_collections_name"
    ON "collections" ("name");

CREATE TABLE "embeddings" (
   "collection_id" INTEGER,
   "id" TEXT,
   "embedding" BLOB,
   "content" TEXT,
   "metadata" TEXT,
   PRIMARY KEY ("collection_id", "id")
);
