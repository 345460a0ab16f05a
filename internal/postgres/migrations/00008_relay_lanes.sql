-- +goose Up

-- One row a lane of a stream (a table that is relayed): which relay works, and how
-- far it says it got. Both are advice. That an event is published once is kept in
-- Kafka, by the cursor and the transactional id.
CREATE TABLE relay_lanes (
    stream       text        NOT NULL,
    lane         text        NOT NULL,
    holder       text        NOT NULL, -- the relay that works; '' when it has left
    held_until   timestamptz NOT NULL, -- when others may take its place
    -- everything up to here is published; the truth is this or further on
    xid          xid8        NOT NULL,
    seq          bigint      NOT NULL,
    published_at timestamptz NOT NULL, -- when that was last written down
    PRIMARY KEY (stream, lane)
);

-- +goose Down
DROP TABLE relay_lanes;
