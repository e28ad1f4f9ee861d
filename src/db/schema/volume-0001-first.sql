-- One volume of the event journal, by order of receipt. Open: append-only, no secondary index.
-- Closed: with the index event_of_subject, which its maker adds.

-- Facts about the file, by name, so that a later one (cells, zone, baked_out, links) needs no other format:
-- ledger_id, position, position_at, highest_seq, highest_ordinal, state.
CREATE TABLE header (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- For each event name in the file: when it occurred first and last, and when its rows expire.
-- Filled when the volume is closed.
CREATE TABLE span (
    account BIGINT NOT NULL,
    name BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    min_occurred BIGINT NOT NULL,
    max_occurred BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (account, name)
);

CREATE TABLE salt (
    salt BIGINT PRIMARY KEY,
    bytes BYTEA NOT NULL
);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,           -- in order of receipt, over all volumes
    account BIGINT NOT NULL,
    subject BIGINT NOT NULL,           -- ordinal
    name BIGINT NOT NULL,
    occurred BIGINT NOT NULL,
    received BIGINT NOT NULL,
    source BIGINT NOT NULL,
    message BIGINT NOT NULL,           -- keyed 64-bit hash of the message id; 0: none was given
    salt BIGINT NOT NULL,
    counter BIGINT NOT NULL,
    body BYTEA NOT NULL
);

-- As in profiles.db: the answer stands with its effect.
CREATE TABLE answer (
    account BIGINT NOT NULL,
    mark BYTEA NOT NULL,
    at BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (account, mark)
);
