-- Tenants, their keys, and the numbered log of every change to them. Times are nanoseconds since 1970 in UTC.

CREATE TABLE tenants (
    seq       INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    name      TEXT    NOT NULL,
    tiers     TEXT    NOT NULL,  -- `api=tier`, separated by spaces
    created   INTEGER NOT NULL,
    suspended INTEGER
) STRICT;

CREATE TABLE keys (
    seq           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    lineage       TEXT    NOT NULL,
    api           TEXT    NOT NULL,
    tenant        TEXT    NOT NULL REFERENCES tenants (id),
    name          TEXT    NOT NULL,
    owner         TEXT,
    form          INTEGER NOT NULL CHECK (form IN (1, 2, 3)),  -- minted, imported, access key
    digest        BLOB    UNIQUE,
    pepper        INTEGER,
    access_key_id TEXT    UNIQUE,
    sealed        BLOB,
    scopes        TEXT    NOT NULL,  -- separated by spaces
    tier          TEXT    NOT NULL,
    ip_allow      TEXT    NOT NULL,  -- separated by spaces
    created       INTEGER NOT NULL,
    expires       INTEGER,
    rotated_from  TEXT    REFERENCES keys (id),
    overlap_until INTEGER,
    revoked       INTEGER,
    last_used     INTEGER,
    CHECK (form = 3 OR (length(digest) = 32 AND pepper IS NOT NULL)),
    CHECK (form <> 3 OR (access_key_id IS NOT NULL AND sealed IS NOT NULL))
) STRICT;

CREATE INDEX keys_of_tenant ON keys (tenant, api, name);

-- The log says what changed, not how: who follows it reads the row as it is now.
CREATE TABLE changes (
    version INTEGER PRIMARY KEY,
    tenant  TEXT,
    key     TEXT,
    CHECK ((tenant IS NULL) <> (key IS NULL))
) STRICT;

-- One value per secret beside the database, to notice when it is another one.
CREATE TABLE marks (
    secret TEXT NOT NULL PRIMARY KEY,
    mark   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
