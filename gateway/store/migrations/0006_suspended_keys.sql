-- Since when the owner of a key is suspended, so that the key opens nothing until the owner is resumed.

ALTER TABLE keys ADD COLUMN suspended INTEGER;
