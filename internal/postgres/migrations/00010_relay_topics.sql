-- +goose Up

-- What a lane has published is there only where it was published to. A relay that
-- finds no cursor in Kafka, but the topics that its lane has published to, has lost
-- the cursor; where the topics are others (another Kafka, or made anew) it has yet
-- to publish everything.
ALTER TABLE relay_lanes
    ADD COLUMN topics uuid[]  NOT NULL DEFAULT '{}', -- ids of the topics; empty: not known
    ADD COLUMN go_on  boolean NOT NULL DEFAULT false; -- someone has said that a relay without a cursor goes on from here

-- +goose Down
ALTER TABLE relay_lanes DROP COLUMN topics, DROP COLUMN go_on;
