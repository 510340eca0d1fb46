-- llm's m003_add_updated. When an older row was really updated is not known: it counts as now.

ALTER TABLE "embeddings" ADD COLUMN "updated" INTEGER;

UPDATE "embeddings"
SET "updated" = CAST(strftime('%s', 'now') AS INTEGER)
WHERE "updated" IS NULL;
