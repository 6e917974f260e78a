-- The first schema. Times are milliseconds since 1970, UTC; ids are 16 bytes; digests 32; object ids 20.
-- What is not marked as a projection is held here alone, or here first.

-- Facts about this database: `server` (its id).
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    tenant         BLOB    NOT NULL PRIMARY KEY CHECK (length(tenant) = 16),
    name           TEXT    NOT NULL UNIQUE CHECK (length(name) <= 64),
    host           TEXT    UNIQUE CHECK (length(host) <= 253),
    created_at_ms  INTEGER NOT NULL,
    disabled_at_ms INTEGER,
    -- The journal's size and the time of its newest leaf, in seconds.
    leaves         INTEGER NOT NULL,
    last_leaf_s    INTEGER NOT NULL,
    -- Projected from registry.git: the policy leaf in force, and whether everybody may read.
    policy         INTEGER,
    public         INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE repositories (
    tenant        BLOB    NOT NULL REFERENCES tenants (tenant),
    repository    BLOB    NOT NULL CHECK (length(repository) = 16),
    -- As below `git/`: `registry.git`, `plugins/lint.git`.
    name          TEXT    NOT NULL CHECK (length(name) <= 96),
    created_at_ms INTEGER NOT NULL,
    -- The `repo-create` leaf; none for the repositories that the registry writes by itself.
    created_leaf  INTEGER,
    PRIMARY KEY (tenant, repository)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX repositories_by_name ON repositories (tenant, name);

-- One row for each ref that there ever was; `id` is NULL when it was deleted.
CREATE TABLE refs (
    tenant     BLOB    NOT NULL,
    repository BLOB    NOT NULL,
    name       TEXT    NOT NULL CHECK (length(name) <= 255),
    id         BLOB    CHECK (length(id) = 20),
    peeled     BLOB    CHECK (length(peeled) = 20),
    -- The newest leaf that names it; none in the repositories that the registry writes by itself.
    leaf       INTEGER,
    PRIMARY KEY (tenant, repository, name),
    FOREIGN KEY (tenant, repository) REFERENCES repositories (tenant, repository)
) STRICT, WITHOUT ROWID;

-- The leaves, as the text that clients hash.
CREATE TABLE journal (
    tenant BLOB    NOT NULL REFERENCES tenants (tenant),
    leaf   INTEGER NOT NULL,
    text   TEXT    NOT NULL CHECK (length(text) <= 8192)
) STRICT;
CREATE UNIQUE INDEX journal_by_leaf ON journal (tenant, leaf);

-- What leaves name by digest. Kinds: 1 certificate (by the digest of its signed text), 2 gate report, 3 capabilities.
CREATE TABLE evidence (
    tenant BLOB    NOT NULL REFERENCES tenants (tenant),
    kind   INTEGER NOT NULL,
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    -- The first leaf that names it.
    leaf   INTEGER NOT NULL,
    bytes  BLOB    NOT NULL CHECK (length(bytes) <= 1048576)
) STRICT;
CREATE UNIQUE INDEX evidence_by_digest ON evidence (tenant, kind, digest);

CREATE TABLE releases (
    tenant         BLOB    NOT NULL,
    plugin         TEXT    NOT NULL,
    version        TEXT    NOT NULL CHECK (length(version) <= 64),
    -- Bytes that order as versions do.
    precedence     BLOB    NOT NULL,
    prerelease     INTEGER NOT NULL,
    repository     BLOB    NOT NULL,
    commit_id      BLOB    NOT NULL CHECK (length(commit_id) = 20),
    tag_id         BLOB    NOT NULL CHECK (length(tag_id) = 20),
    tree           BLOB    NOT NULL CHECK (length(tree) = 32),
    leaf           INTEGER NOT NULL,
    -- The newest leaf of this version: the release itself, or a yank or its end.
    newest_leaf    INTEGER NOT NULL,
    released_at_ms INTEGER NOT NULL,
    actor          TEXT,
    signer         TEXT,
    certificate    BLOB,
    summary        TEXT    NOT NULL CHECK (length(summary) <= 1048576),
    archive_sha256 BLOB    CHECK (length(archive_sha256) = 32),
    archive_bytes  INTEGER,
    yanked_leaf    INTEGER,
    yanked_at_ms   INTEGER,
    yanked_reason  TEXT,
    FOREIGN KEY (tenant, repository) REFERENCES repositories (tenant, repository)
) STRICT;
CREATE UNIQUE INDEX releases_by_version ON releases (tenant, plugin, precedence);
CREATE UNIQUE INDEX releases_by_leaf ON releases (tenant, leaf);
CREATE INDEX releases_yanked ON releases (tenant, plugin, version) WHERE yanked_leaf IS NOT NULL;

-- Projection of registry.git's main.
CREATE TABLE registry_states (
    tenant    BLOB    NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
    leaf      INTEGER NOT NULL,
    commit_id BLOB    NOT NULL CHECK (length(commit_id) = 20),
    at_ms     INTEGER NOT NULL,
    registry  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Projection of registry.git's `members/`.
CREATE TABLE members (
    tenant BLOB NOT NULL REFERENCES tenants (tenant),
    member TEXT NOT NULL,
    role   TEXT NOT NULL,
    -- Words with commas between them.
    groups TEXT NOT NULL,
    PRIMARY KEY (tenant, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    tenant        BLOB    NOT NULL REFERENCES tenants (tenant),
    token         BLOB    NOT NULL CHECK (length(token) = 16),
    member        TEXT    NOT NULL,
    -- Keyed digest of the token's text, which is kept nowhere.
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    last_four     TEXT    NOT NULL,
    label         TEXT    NOT NULL CHECK (length(label) <= 256),
    scopes        TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    created_by    TEXT,
    expires_at_ms INTEGER,
    revoked_at_ms INTEGER,
    revoked_by    TEXT,
    -- Days since 1970 of the last use: no finer trail of people is kept.
    last_used_day INTEGER,
    PRIMARY KEY (tenant, token)
) STRICT, WITHOUT ROWID;
-- Without the tenant: a presented token must be told to belong to another tenant.
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);
CREATE INDEX tokens_by_member ON tokens (tenant, member, created_at_ms);

CREATE TABLE nonces (
    tenant      BLOB    NOT NULL,
    nonce       TEXT    NOT NULL CHECK (length(nonce) <= 256),
    spent_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_time ON nonces (spent_at_ms);

-- Work owed after a commit. Rows go when every follower is past them.
CREATE TABLE outbox (
    position   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant     BLOB    NOT NULL,
    repository TEXT,
    first_leaf INTEGER NOT NULL,
    leaves     INTEGER NOT NULL,
    -- 1 when releases, yanks or registry.git changed.
    catalog    INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL
) STRICT;

CREATE TABLE followers (
    follower TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
