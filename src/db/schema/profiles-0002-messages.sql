-- Ids of messages that must be known though no row of an event tells them: of events that were erased, and of parked
-- ones. A keyed hash and when it may be forgotten, to the minute; whose it is stands nowhere. The key is the hash itself,
-- so that not even the order of arrival is kept.
CREATE TABLE message (
    message INTEGER PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX message_until ON message (until);
