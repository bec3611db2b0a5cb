-- Grants are kept among the keys, and beside them what is kept of people and of what acts for them.
-- Times are nanoseconds since 1970 in UTC.

CREATE TABLE keys_and_grants (
    seq           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    lineage       TEXT    NOT NULL,
    api           TEXT    NOT NULL,
    tenant        TEXT    NOT NULL REFERENCES tenants (id),
    name          TEXT    NOT NULL,
    owner         TEXT,
    form          INTEGER NOT NULL CHECK (form IN (1, 2, 3, 4)),  -- minted, imported, access key, granted
    digest        BLOB    UNIQUE,
    pepper        INTEGER,
    access_key_id TEXT    UNIQUE,
    sealed        BLOB,
    granted       TEXT,            -- JSON
    scopes        TEXT    NOT NULL,  -- separated by spaces
    tier          TEXT    NOT NULL,
    ip_allow      TEXT    NOT NULL,  -- separated by spaces
    created       INTEGER NOT NULL,
    expires       INTEGER,
    rotated_from  TEXT    REFERENCES keys_and_grants (id),
    overlap_since INTEGER,
    overlap_until INTEGER,
    revoked       INTEGER,
    last_used     INTEGER,
    CHECK ((form IN (1, 2)) = (digest IS NOT NULL AND length(digest) = 32 AND pepper IS NOT NULL)),
    CHECK ((form = 3) = (access_key_id IS NOT NULL AND sealed IS NOT NULL)),
    CHECK ((form = 4) = (granted IS NOT NULL))
) STRICT;

INSERT INTO keys_and_grants (seq, id, lineage, api, tenant, name, owner, form, digest, pepper, access_key_id, sealed, scopes,
    tier, ip_allow, created, expires, rotated_from, overlap_since, overlap_until, revoked, last_used)
SELECT seq, id, lineage, api, tenant, name, owner, form, digest, pepper, access_key_id, sealed, scopes,
    tier, ip_allow, created, expires, rotated_from, overlap_since, overlap_until, revoked, last_used
FROM keys ORDER BY seq;

DROP TABLE keys;

ALTER TABLE keys_and_grants RENAME TO keys;

CREATE INDEX keys_of_tenant ON keys (tenant, api, name);

CREATE INDEX keys_of_owner ON keys (owner) WHERE owner IS NOT NULL;

CREATE INDEX grants ON keys (expires) WHERE form = 4;

CREATE TABLE records (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    tenant   TEXT    REFERENCES tenants (id),
    until    INTEGER,
    text     TEXT    NOT NULL,  -- JSON
    UNIQUE (kind, id)
) STRICT;

CREATE INDEX records_of_tenant ON records (kind, tenant, seq);

CREATE INDEX records_until ON records (until) WHERE until IS NOT NULL;

CREATE TABLE record_names (
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    value  TEXT    NOT NULL,
    record INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
    PRIMARY KEY (kind, name, value, record)
) STRICT, WITHOUT ROWID;

CREATE INDEX names_of_record ON record_names (record);

-- A change of a record has a number as well, so that nobody decides on what has changed meanwhile. Nobody follows it.
CREATE TABLE changes_of_all (
    version   INTEGER PRIMARY KEY,
    tenant    TEXT,
    key       TEXT,
    token_key TEXT,
    record    TEXT,  -- its kind
    CHECK ((tenant IS NOT NULL) + (key IS NOT NULL) + (token_key IS NOT NULL) + (record IS NOT NULL) = 1)
) STRICT;

INSERT INTO changes_of_all (version, tenant, key, token_key) SELECT version, tenant, key, token_key FROM changes;

DROP TABLE changes;

ALTER TABLE changes_of_all RENAME TO changes;

CREATE INDEX changes_of_records ON changes (version) WHERE record IS NOT NULL;
