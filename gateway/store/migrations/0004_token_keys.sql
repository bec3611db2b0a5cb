-- The keys that sign access tokens, and their place in the log of changes. Times are nanoseconds since 1970 in UTC.

CREATE TABLE token_keys (
    seq       INTEGER PRIMARY KEY,
    kid       TEXT    NOT NULL UNIQUE,
    public    BLOB    NOT NULL,
    sealed    BLOB,
    published INTEGER NOT NULL,
    stage     TEXT    NOT NULL CHECK (stage IN ('published', 'in_use', 'superseded', 'retired', 'withdrawn')),
    at        INTEGER NOT NULL,  -- when the stage began, or is to end that comes before its use
    CHECK ((stage IN ('published', 'in_use')) = (sealed IS NOT NULL))
) STRICT;

-- One signs at a time, whoever decides what.
CREATE UNIQUE INDEX one_token_key_in_use ON token_keys (stage) WHERE stage = 'in_use';

CREATE TABLE changes_of_all (
    version   INTEGER PRIMARY KEY,
    tenant    TEXT,
    key       TEXT,
    token_key TEXT,
    CHECK ((tenant IS NOT NULL) + (key IS NOT NULL) + (token_key IS NOT NULL) = 1)
) STRICT;

INSERT INTO changes_of_all (version, tenant, key) SELECT version, tenant, key FROM changes;

DROP TABLE changes;

ALTER TABLE changes_of_all RENAME TO changes;
