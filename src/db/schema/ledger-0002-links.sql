-- People of several subjects. A link is a dated edge: from an anonymous subject to a known user, or (alias) from one
-- known user to another. One that was taken back stays as a date: what has ever been somebody's history is not given to
-- the next one.
CREATE TABLE link (
    account BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,           -- the anonymous subject, or the user whose other id an alias names
    number BIGINT NOT NULL,
    user_ordinal BIGINT NOT NULL,      -- whose it is; 0: taken back, and that user was erased since
    source BIGINT NOT NULL,            -- by which credential and route
    since BIGINT NOT NULL,
    removed_at BIGINT,
    removed_source BIGINT,
    PRIMARY KEY (account, ordinal, number)
);
CREATE INDEX link_to_user ON link (account, user_ordinal);
CREATE UNIQUE INDEX link_in_force ON link (account, ordinal, user_ordinal) WHERE removed_at IS NULL;

-- One anonymous id may have been several users' in turn: a subject for each of them, and one that it means now.
ALTER TABLE identity ADD COLUMN left_at BIGINT; -- when it began to mean another subject; null: it means this one

-- All subjects of a person go by one request.
ALTER TABLE subject ADD COLUMN erased_by BIGINT; -- the request, while rows are being removed
UPDATE subject SET erased_by =
    (SELECT MIN(request) FROM request WHERE request.account = subject.account AND request.ordinal = subject.ordinal
        AND request.type = 1 AND request.state = 2)
    WHERE state = 2;
CREATE INDEX subject_erasing ON subject (account, erased_by) WHERE erased_by IS NOT NULL;
CREATE INDEX rights_of_request ON rights (account, request) WHERE request IS NOT NULL;
