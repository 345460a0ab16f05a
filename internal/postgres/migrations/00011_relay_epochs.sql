-- +goose Up

-- Layouts: among how many lanes the events of a stream are shared out, by the hash of
-- the player. A layout holds for the transactions from from_xid on, up to the next
-- one's. from_xid is the transaction that made the row, which stores no event: when
-- events behind it can be read (no transaction up to it is open), so can the row.
-- Lanes of a layout begin when all of the one before have published up to there.
CREATE TABLE relay_epochs (
    stream   text     NOT NULL,
    epoch    integer  NOT NULL CHECK (epoch >= 0), -- in the names of its lanes: main-EPOCH-0 and so on, main for epoch 0
    lanes    smallint NOT NULL CHECK (lanes BETWEEN 1 AND 64),
    from_xid xid8     NOT NULL,
    from_seq bigint   NOT NULL, -- of the sequence at that time, for estimates
    PRIMARY KEY (stream, epoch),
    CHECK (epoch > 0 OR lanes = 1)
);

INSERT INTO relay_epochs VALUES ('events', 0, 1, '0', 0);

-- The relays that share the lanes of a stream, as long as they say so.
CREATE TABLE relay_members (
    stream    text        NOT NULL,
    member    text        NOT NULL, -- the holder in relay_lanes
    joined_at timestamptz NOT NULL,
    until     timestamptz NOT NULL,
    PRIMARY KEY (stream, member)
);

-- The lanes of all layouts, and up to where each is known to have published; it may
-- be further. A lane that has yet to say anything is where its layout begins. A lane
-- that no layout knows (gmctl serve relay --lane) never finishes.
CREATE VIEW relay_progress AS
WITH layout AS (
    SELECT stream, epoch, lanes, from_xid, from_seq, lead(from_xid) OVER later AS until_xid, lead(from_seq) OVER later AS until_seq
    FROM relay_epochs
    WINDOW later AS (PARTITION BY stream ORDER BY epoch)
), lane AS (
    SELECT stream, epoch, CASE epoch WHEN 0 THEN 'main' ELSE format('main-%s-%s', epoch, place) END AS lane, from_xid, from_seq, until_xid, until_seq
    FROM layout, generate_series(0, lanes - 1) place
), noted AS (
    SELECT stream, lane, epoch, until_xid, until_seq, l.topics,
           CASE WHEN (l.xid, l.seq) < (from_xid, from_seq) THEN from_xid ELSE coalesce(l.xid, from_xid) END AS xid,
           CASE WHEN (l.xid, l.seq) < (from_xid, from_seq) THEN from_seq ELSE coalesce(l.seq, from_seq) END AS seq
    FROM lane FULL JOIN relay_lanes l USING (stream, lane)
    WHERE epoch > 0 OR until_xid IS NOT NULL OR l.lane IS NOT NULL
)
SELECT stream, lane, epoch, xid, seq, until_xid, until_seq,
       coalesce(xid >= until_xid, false)
       OR EXISTS (SELECT FROM noted later -- which has begun, in the same topics
                  WHERE later.stream = noted.stream AND later.epoch > noted.epoch AND later.topics && noted.topics) AS finished
FROM noted;

-- A lane that has finished holds up no retention.
-- +goose StatementBegin
DO $$
DECLARE
    was text := pg_get_functiondef('drop_published_day(date)'::regprocedure);
    now text := replace(was, 'FROM relay_lanes WHERE stream = ''events''', 'FROM relay_progress WHERE stream = ''events'' AND NOT finished');
BEGIN
    IF now = was THEN
        RAISE EXCEPTION 'drop_published_day is not as 00009_retention.sql made it';
    END IF;
    EXECUTE now;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('drop_published_day(date)'::regprocedure),
                    'FROM relay_progress WHERE stream = ''events'' AND NOT finished', 'FROM relay_lanes WHERE stream = ''events''');
END
$$;
-- +goose StatementEnd
DROP VIEW relay_progress;
DROP TABLE relay_members;
DROP TABLE relay_epochs;
