-- Related items, for everybody who reads SQL: of each entry of a collection those nearest to it, the nearest with
-- the rank 1.
CREATE TABLE vecstore_related (
  collection_id bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  rank bigint NOT NULL,
  related_id text COLLATE "C" NOT NULL,
  score double precision NOT NULL,
  PRIMARY KEY (collection_id, id, rank),
  FOREIGN KEY (collection_id) REFERENCES collections (id) ON DELETE CASCADE
);

-- What tells what has changed since: of each entry a digest of its vector, with the document that it is a chunk of,
-- and how many are listed for it, NULL where the list is to be computed anew.
CREATE TABLE vecstore_related_state (
  collection_id bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  digest bytea NOT NULL,
  listed bigint,
  PRIMARY KEY (collection_id, id),
  FOREIGN KEY (collection_id) REFERENCES collections (id) ON DELETE CASCADE
);

-- A run that has begun says so with a token of its own, so that none writes what another one has overtaken.
CREATE TABLE vecstore_related_runs (
  collection_id bigint PRIMARY KEY,
  number bigint NOT NULL,
  token bytea NOT NULL,
  FOREIGN KEY (collection_id) REFERENCES collections (id) ON DELETE CASCADE
);
