-- The one resource that a key opens, such as `bucket=photos`, where it opens but one.
ALTER TABLE keys ADD COLUMN bound TEXT;
