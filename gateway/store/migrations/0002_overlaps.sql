-- Since when a rotated key overlaps with the one that took its place; where it was rotated before this was kept, since the
-- newer one was made.

ALTER TABLE keys ADD COLUMN overlap_since INTEGER;

UPDATE keys SET overlap_since = (SELECT created FROM keys AS newer WHERE newer.rotated_from = keys.id)
WHERE overlap_until IS NOT NULL;
