-- llm's m004_store_content_hash. vecstore_md5() is a function of the connection that runs this. A
-- row without its content gets a random hash, which no content matches: it is embedded once more.

ALTER TABLE "embeddings" ADD COLUMN "content_hash" BLOB;

UPDATE "embeddings"
SET "content_hash" = CASE
   WHEN "content" IS NULL THEN randomblob(16)
   ELSE vecstore_md5("content")
END;

CREATE INDEX "idx_embeddings_content_hash"
    ON "embeddings" ("content_hash");
