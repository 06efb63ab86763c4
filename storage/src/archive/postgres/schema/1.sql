-- Messages, by time. `topic` is the cluster * 1024 plus the shard, `content` the beginning of the content
-- topic's SHA-256, `pair` that of the SHA-256 of the two, and `record` the protobuf of the message with its
-- proof.
CREATE TABLE weir.message (
    ts bigint NOT NULL,
    hash bytea NOT NULL,
    topic integer NOT NULL,
    content bytea NOT NULL,
    pair bytea NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (ts, hash)
) PARTITION BY RANGE (ts);
CREATE INDEX message_topic ON weir.message (topic, ts, hash);
CREATE INDEX message_pair ON weir.message (pair, ts, hash);
-- Payloads are encrypted: compression finds nothing in them.
ALTER TABLE weir.message ALTER record SET STORAGE EXTERNAL;

-- From the first 8 bytes of a hash to its timestamp. A row may outlive its message: what it says stays true,
-- because a message hash commits to the timestamp.
CREATE TABLE weir.lookup (
    key bigint NOT NULL,
    ts bigint NOT NULL,
    PRIMARY KEY (key, ts)
) PARTITION BY RANGE (ts);

-- Every pubsub topic that ever had a message.
CREATE TABLE weir.topic (
    topic integer PRIMARY KEY
);

-- How many messages a partition has, as the sum over `slot`. Each node writes another slot, so that nodes do
-- not wait for one another. Updates stay within a page while there is room.
CREATE TABLE weir.tally (
    partition text NOT NULL,
    topic integer NOT NULL,
    slot smallint NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (partition, topic, slot)
) WITH (fillfactor = 50);
