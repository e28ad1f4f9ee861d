-- What is known about people, sealed with their keys; and the catalogue of the event volumes.

CREATE TABLE head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    ledger_id BYTEA NOT NULL,
    position BIGINT NOT NULL,          -- the anchor: of the ledger, when this was last committed
    position_at BIGINT NOT NULL
);

-- The salts that records here were sealed with. A number is never used for another salt.
CREATE TABLE salt (
    salt BIGINT PRIMARY KEY,
    bytes BYTEA NOT NULL
);

CREATE TABLE profile (
    account BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    salt BIGINT NOT NULL,
    counter BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (account, ordinal)
);

-- Data that waits for a decision: dropped with the person, replayed when an erasure is cancelled.
CREATE TABLE parked (
    account BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    number BIGINT NOT NULL,
    received BIGINT NOT NULL,
    source BIGINT NOT NULL,
    salt BIGINT NOT NULL,
    counter BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (account, ordinal, number)
);

-- Answers kept for 4 hours for callers that repeat an x-request-id; sealed with the account's key.
CREATE TABLE answer (
    account BIGINT NOT NULL,
    mark BYTEA NOT NULL,               -- keyed hash of route and id
    at BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (account, mark)
);
CREATE INDEX answer_age ON answer (at);

-- Files below events/. Two open ones are a pair.
CREATE TABLE volume (
    volume BIGINT PRIMARY KEY,
    state BIGINT NOT NULL,             -- vault/catalogue.h
    pair BIGINT NOT NULL,
    change BIGINT NOT NULL,            -- rises with each change of a closed file
    rows BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    made_at BIGINT NOT NULL
);
