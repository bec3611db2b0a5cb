-- What was done and is not in the audit log yet: the gateway enters it, makes sure that it is on the disk, and forgets it
-- here. Numbers are never used again.

CREATE TABLE deeds (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    deed   TEXT    NOT NULL  -- JSON
) STRICT;
