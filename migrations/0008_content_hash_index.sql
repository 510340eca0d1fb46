-- The index by which known content is found, again. Files that llm 0.9 has made lost it when llm 0.10
-- added content_blob: transform() of the sqlite-utils of that time dropped the indexes of a table.

CREATE INDEX IF NOT EXISTS "idx_embeddings_content_hash"
    ON "embeddings" ("content_hash");
