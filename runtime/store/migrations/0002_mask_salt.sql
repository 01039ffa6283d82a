-- What hashes of masked fields start with: made here and kept with the data, so that a value has the same hash after a
-- restart and at every server of the product. Only the owner can read it.
CREATE TABLE security.mask_salt (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    salt     text    NOT NULL CHECK (length(salt) >= 32)
);
INSERT INTO security.mask_salt (salt) VALUES (replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
