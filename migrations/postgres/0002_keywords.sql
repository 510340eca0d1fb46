-- What keywords find: of each text its words, as SQLite's index has them by default ("porter unicode61
-- remove_diacritics 2"). Words are what letters and digits make, in lower case, without the
-- diacritics of Latin letters, and stemmed by Porter's rules; there are no stop words.
--
-- The columns are generated, so that they are right whoever writes, and stored, as a ranking reads
-- the words of all that is found. PostgreSQL has no words of more than 2,046 bytes, and a tsvector
-- takes 1 MB: the first 150,000 characters always fit, whatever they are, so no text is refused.
CREATE TEXT SEARCH DICTIONARY vecstore_porter (TEMPLATE = snowball, LANGUAGE = porter);
CREATE TEXT SEARCH CONFIGURATION vecstore (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION vecstore
  ADD MAPPING FOR asciiword, word, numword, int, uint, float, sfloat, version
  WITH vecstore_porter;

-- Which characters are letters, and what lower case is, must not depend on the database's locale:
-- to "C", there are letters of ASCII alone. Only PostgreSQL 17 and later have the first of these.
DO $block$
DECLARE
  characters text;
BEGIN
  SELECT quote_ident(collname)
  INTO characters
  FROM unnest(ARRAY['pg_c_utf8', 'und-x-icu', 'C.utf8', 'en_US.utf8', 'default'])
    WITH ORDINALITY AS wanted (name, place)
  JOIN pg_collation ON collname = name
    AND collnamespace = 'pg_catalog'::regnamespace
    AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
  ORDER BY place
  LIMIT 1;

  -- The text with a space for each sign, so that PostgreSQL's parser sees no hosts, paths, tags or
  -- negative numbers in it, and words can be counted fast.
  EXECUTE format(
    $create$
    CREATE FUNCTION vecstore_plain(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(
      lower(
        CASE
          WHEN content ~ '[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]'
          THEN regexp_replace(
            normalize(
              regexp_replace(
                normalize(left(content, 150000), NFD), '([A-Za-z])[\u0300-\u036f]+', '\1', 'g'
              ),
              NFC
            ),
            '[\u0300-\u036f]',
            '',
            'g'
          )
          ELSE left(content, 150000)
        END COLLATE %1$s
      ),
      -- Of these collations, the first has digits of ASCII alone.
      (
        '[^[:alnum:] \u00b2\u00b3\u00b9\u00bc-\u00be\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef'
        '\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f\u0be6-\u0bf2\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d78'
        '\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f33\u1040-\u1049\u17e0-\u17e9\u1810-\u1819\u2070-\u2079'
        '\u2080-\u2089\u2150-\u2189\u2460-\u24ff\u2776-\u2793\uff10-\uff19]'
      ) COLLATE %1$s,
      ' ',
      'g'
    )
    $create$,
    characters
  );
END
$block$;

CREATE FUNCTION vecstore_keywords(content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsvector('vecstore'::regconfig, vecstore_plain(content));

CREATE FUNCTION vecstore_keyword_count(content text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN cardinality(array_remove(string_to_array(vecstore_plain(content), ' '), ''));

ALTER TABLE embeddings
  ADD COLUMN keywords tsvector GENERATED ALWAYS AS (vecstore_keywords(content)) STORED,
  ADD COLUMN keyword_count integer GENERATED ALWAYS AS (vecstore_keyword_count(content)) STORED;

-- Of a row that is too long for its page, PostgreSQL moves the longest value elsewhere, which would
-- be the vector: a search that compares all then takes three times as long. Of these it is the last.
ALTER TABLE embeddings ALTER COLUMN embedding SET STORAGE MAIN;

CREATE INDEX embeddings_keywords ON embeddings USING gin (keywords);
