-- The ledger: who may be processed, and how. No identifier in the clear: people are ordinals and fingerprints here.
-- Times are milliseconds since 1970 UTC. Every key begins with the account.

-- One row: the ledger itself. `position` rises with every rights command; the audit_ columns are the chain's head.
CREATE TABLE head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    ledger_id BYTEA NOT NULL,
    master_check BYTEA NOT NULL,       -- a constant wrapped by the master key: tells a wrong one
    is_copy BIGINT NOT NULL,           -- made by backup: refused by default
    position BIGINT NOT NULL,
    position_at BIGINT NOT NULL,
    next_slot BIGINT NOT NULL,
    audit_count BIGINT NOT NULL,
    audit_hash BYTEA NOT NULL,
    audit_segment BIGINT NOT NULL,
    audit_bytes BIGINT NOT NULL        -- of that segment
);

CREATE TABLE account (
    account BIGINT PRIMARY KEY,
    license TEXT NOT NULL UNIQUE,
    time_zone TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    next_ordinal BIGINT NOT NULL
);

CREATE TABLE pepper (
    account BIGINT NOT NULL,
    pepper BIGINT NOT NULL,
    wrapped BYTEA NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (account, pepper)
);

CREATE TABLE setting (
    account BIGINT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account, name)
);

CREATE TABLE credential (
    account BIGINT NOT NULL,
    credential BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    scopes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (account, credential)
);

-- Where data came from: a credential (0: the operator) and a route.
CREATE TABLE source (
    account BIGINT NOT NULL,
    source BIGINT NOT NULL,
    credential BIGINT NOT NULL,
    route TEXT NOT NULL,
    PRIMARY KEY (account, source)
);

-- Names of events and attributes (kinds and types: ledger/name.h).
CREATE TABLE name (
    account BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    name BIGINT NOT NULL,
    text TEXT NOT NULL,
    type BIGINT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (account, kind, name),
    UNIQUE (account, kind, text)
);

-- One row a subject. An erased one stays as a number and the slot that was overwritten, so that an old key file can be
-- zeroed again; nothing ties it to anybody.
CREATE TABLE subject (
    account BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    known BIGINT NOT NULL,
    state BIGINT NOT NULL,             -- ledger/account.h
    created_at BIGINT,                 -- null once erased
    erased_position BIGINT,
    PRIMARY KEY (account, ordinal)
);

CREATE TABLE identity (
    account BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    ordinal BIGINT NOT NULL,
    pepper BIGINT NOT NULL,
    since BIGINT NOT NULL,
    source BIGINT NOT NULL,
    PRIMARY KEY (account, kind, fingerprint, ordinal)
);
CREATE INDEX identity_of_subject ON identity (account, ordinal);

-- Rights are rows; what a subject is denied is the OR of those in force (ended_at null, until not passed).
CREATE TABLE rights (
    account BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind BIGINT NOT NULL,              -- ledger/right.h
    denies BIGINT NOT NULL,            -- bits of ledger/purpose.h
    scope TEXT,                        -- null: the whole profile
    ground TEXT,
    since BIGINT NOT NULL,
    until BIGINT,
    review_at BIGINT,
    request BIGINT,                    -- the request it came by, or null
    road TEXT NOT NULL,                -- or the road: rest, kept, ...
    source BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by BIGINT,                   -- request
    notice_at BIGINT,                  -- when the person was told before lifting (Art. 18(3)); null: not recorded
    notice_salt BYTEA,                 -- by which road, sealed with the subject's key: an address may stand in it
    notice_counter BIGINT,
    notice_sealed BYTEA,
    PRIMARY KEY (account, ordinal, number)
);

-- What was said about a channel: a time series, never overwritten.
CREATE TABLE preference (
    account BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    number BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    service BIGINT NOT NULL,           -- 0: promotional messages, 1: service messages
    opted_in BIGINT NOT NULL,
    applied BIGINT NOT NULL,           -- 0: kept, but outranked by what the person had said
    voice BIGINT NOT NULL,             -- who spoke: ledger/preference.h
    at BIGINT NOT NULL,
    received BIGINT NOT NULL,
    source BIGINT NOT NULL,
    salt BYTEA,                        -- wording, version and road as given, sealed with the subject's key
    counter BIGINT,
    sealed BYTEA,
    PRIMARY KEY (account, ordinal, number)
);

-- What outlives an erasure, as fingerprints: late marks, suppression, opt-outs that were kept.
CREATE TABLE mark (
    account BIGINT NOT NULL,
    what BIGINT NOT NULL,              -- ledger/mark.h
    kind BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    channel BIGINT NOT NULL,           -- of a kept opt-out; else 0
    at BIGINT NOT NULL,                -- moment of the erasure
    until BIGINT,                      -- null: for ever
    PRIMARY KEY (account, what, kind, fingerprint, channel)
);
CREATE INDEX mark_until ON mark (account, until);

-- Data-subject requests, whatever road they came by.
CREATE TABLE request (
    account BIGINT NOT NULL,
    request BIGINT NOT NULL,
    id_hash BYTEA NOT NULL,            -- keyed: the id may hold an address
    call_hash BYTEA NOT NULL,          -- keyed, over id, type and identity: tells a repeat from another use of the id
    id_salt BYTEA,                     -- the id sealed with the person's key: gone with it
    id_counter BIGINT,
    id_sealed BYTEA,
    type BIGINT NOT NULL,              -- ledger/request.h
    state BIGINT NOT NULL,
    ordinal BIGINT,
    received_at BIGINT NOT NULL,
    due_at BIGINT,                     -- end of the cancel window
    done_at BIGINT,
    suppress BIGINT NOT NULL,          -- 0: no, 1: until suppress_until (null: for ever)
    suppress_until BIGINT,
    keep_opt_outs BIGINT NOT NULL,
    road TEXT NOT NULL,
    source BIGINT NOT NULL,
    PRIMARY KEY (account, request),
    UNIQUE (account, id_hash)
);
CREATE INDEX request_of_subject ON request (account, ordinal);
CREATE INDEX request_open ON request (account, state, due_at);
