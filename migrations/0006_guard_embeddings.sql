-- What no writer may do, whichever program it is. These triggers need no extension.
-- They are created again when they are missing: sqlite-utils' transform() drops triggers.
--
-- A blob that is no array of float32 could never be compared with anything. And with OR REPLACE, a
-- rowid that another row has would remove that row without firing any delete trigger: the index
-- would keep it. Before an insert, new.rowid is -1 unless the statement names a rowid: so that -1
-- means nothing else, no row may have it.

CREATE TRIGGER IF NOT EXISTS "embeddings_guard_insert"
BEFORE INSERT ON "embeddings"
BEGIN
   SELECT RAISE(ABORT, 'embedding must be a blob of little-endian float32 values, so its length a multiple of 4 bytes: vec_f32(''[0.1, 0.2]'') makes one from JSON')
   WHERE new.embedding IS NOT NULL
      AND (typeof(new.embedding) <> 'blob' OR length(new.embedding) % 4 <> 0);
   SELECT RAISE(ABORT, 'this rowid of embeddings belongs to another row: leave rowid out, the key is (collection_id, id)')
   WHERE new.rowid <> -1
      AND EXISTS (
         SELECT 1 FROM "embeddings"
         WHERE rowid = new.rowid
            AND (collection_id, id) IS NOT (new.collection_id, new.id)
      );
END;

CREATE TRIGGER IF NOT EXISTS "embeddings_guard_rowid"
AFTER INSERT ON "embeddings"
WHEN new.rowid = -1
BEGIN
   SELECT RAISE(ABORT, 'the rowid -1 of embeddings cannot be used: leave rowid out, the key is (collection_id, id)');
END;

CREATE TRIGGER IF NOT EXISTS "embeddings_guard_update"
BEFORE UPDATE ON "embeddings"
BEGIN
   SELECT RAISE(ABORT, 'embedding must be a blob of little-endian float32 values, so its length a multiple of 4 bytes: vec_f32(''[0.1, 0.2]'') makes one from JSON')
   WHERE new.embedding IS NOT old.embedding
      AND new.embedding IS NOT NULL
      AND (typeof(new.embedding) <> 'blob' OR length(new.embedding) % 4 <> 0);
   SELECT RAISE(ABORT, 'this rowid of embeddings belongs to another row: leave rowid out, the key is (collection_id, id)')
   WHERE new.rowid <> old.rowid
      AND (new.rowid = -1 OR EXISTS (SELECT 1 FROM "embeddings" WHERE rowid = new.rowid));
END;
