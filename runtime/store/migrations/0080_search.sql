-- What is said of the product, text by text, and the words in it: what a search of the catalog looks through. Words are
-- folded (no accents, no case) before they come here, and their trigrams are ordinary values, so that a typing error is
-- found on any server, whatever extensions it has.
CREATE TABLE metadata.texts (
    position integer PRIMARY KEY,
    kind     text NOT NULL CHECK (kind IN ('product', 'dataset', 'field')),
    dataset  text,
    field    text,
    place    text NOT NULL,
    text     text NOT NULL,
    folded   text NOT NULL,
    document tsvector GENERATED ALWAYS AS (
        to_tsvector('pg_catalog.simple'::regconfig, folded) || to_tsvector('pg_catalog.english'::regconfig, folded)
    ) STORED
);
CREATE INDEX texts_by_words ON metadata.texts USING gin (document);

CREATE TABLE metadata.words (
    word     text   PRIMARY KEY,
    trigrams text[] NOT NULL
);
CREATE INDEX words_by_trigrams ON metadata.words USING gin (trigrams);
