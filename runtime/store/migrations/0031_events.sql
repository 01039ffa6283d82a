-- What came in as events, by input dataset: how many, and the time of the latest of them. Its row is locked by who stores
-- events, so that they are stored in one order whatever process takes them.
CREATE TABLE control.event_counts (
    dataset    text   PRIMARY KEY,
    latest     timestamptz,
    accepted   bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    late       bigint NOT NULL DEFAULT 0,
    rejected   bigint NOT NULL DEFAULT 0
);

-- How many events had come in when the last run began that has published some.
CREATE TABLE control.event_progress (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    accepted bigint  NOT NULL
);

-- Hashes of the sources and ids of events that were stored, for as long as the port says.
CREATE TABLE control.event_ids (
    dataset text        NOT NULL,
    id      uuid        NOT NULL,
    at      timestamptz NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (dataset, id)
);
CREATE INDEX event_ids_by_time ON control.event_ids (dataset, at);

-- Messages of a stream that were stored and may still be sent again, as nobody knows that they are acknowledged.
CREATE TABLE control.stream_messages (
    dataset  text   NOT NULL,
    stream   text   NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (dataset, stream, sequence)
);

-- Events that could not be stored and whose sender can't be told.
CREATE TABLE control.rejected_events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset  text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT transaction_timestamp(),
    origin   text        NOT NULL,
    reason   text        NOT NULL,
    event    text
);

-- Up to where changes were published to a stream.
CREATE TABLE control.relays (
    dataset  text   NOT NULL,
    stream   text   NOT NULL,
    subject  text   NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (dataset, stream, subject)
);

-- events make runs
ALTER TABLE control.runs
    DROP CONSTRAINT runs_trigger_check,
    ADD CONSTRAINT runs_trigger_check CHECK (trigger IN ('start', 'manual', 'schedule', 'upstream', 'stream'));
