-- Who asked for access, what was granted, and every step of both.
CREATE TABLE security.access_requests (
    id           uuid        PRIMARY KEY,
    -- for whom, and who asked
    subject      text        NOT NULL,
    requested_by text        NOT NULL,
    roles        text[]      NOT NULL,
    role         text,
    fields       text[]      NOT NULL,
    purpose      text        NOT NULL,
    seconds      bigint      NOT NULL CHECK (seconds > 0),
    -- the approvers of each level, as the contracts were; `level` is the one that it waits for, from 0
    chain        jsonb       NOT NULL,
    level        integer     NOT NULL,
    waits_for    text[]      NOT NULL,
    -- the approvers of all levels
    approvers    text[]      NOT NULL,
    state        text        NOT NULL CHECK (state IN ('pending', 'granted', 'denied', 'withdrawn')),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    CHECK ((role IS NULL) <> (fields = '{}'))
);
CREATE INDEX access_requests_by_time ON security.access_requests (requested_at DESC);
CREATE UNIQUE INDEX one_pending_request ON security.access_requests (subject, coalesce(role, ''), fields)
    WHERE state = 'pending';

CREATE TABLE security.grants (
    id         uuid        PRIMARY KEY,
    request_id uuid        UNIQUE REFERENCES security.access_requests,
    subject    text        NOT NULL,
    role       text,
    fields     text[]      NOT NULL,
    purpose    text        NOT NULL,
    -- none: nobody had to approve
    granted_by text,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    -- who may end it beside the owner
    approvers  text[]      NOT NULL,
    ended_at   timestamptz,
    ended_by   text,
    ended_how  text        CHECK (ended_how IN ('expired', 'revoked')),
    CHECK ((role IS NULL) <> (fields = '{}')),
    CHECK ((ended_at IS NULL) = (ended_how IS NULL))
);
CREATE INDEX grants_by_time ON security.grants (granted_at DESC);
CREATE INDEX grants_in_force ON security.grants (expires_at) WHERE ended_at IS NULL;

-- The casbin lines of grants. A line holds until it expires; one that was revoked is here no longer.
DROP TABLE security.policies;
CREATE TABLE security.policies (
    grant_id   uuid        NOT NULL REFERENCES security.grants,
    subject    text        NOT NULL,
    line       text[]      NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (grant_id, line)
);

-- Every step, for good.
CREATE TABLE security.access_events (
    position    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id  uuid        REFERENCES security.access_requests,
    grant_id    uuid        REFERENCES security.grants,
    step        text        NOT NULL CHECK (step IN
                    ('requested', 'approved', 'denied', 'withdrawn', 'granted', 'revoked', 'expired')),
    -- of an approval, from 1
    level       integer,
    -- none: it came about by itself
    actor       text,
    actor_roles text[]      NOT NULL,
    reason      text,
    CHECK (request_id IS NOT NULL OR grant_id IS NOT NULL)
);
CREATE INDEX access_events_by_request ON security.access_events (request_id, position);
CREATE INDEX access_events_by_grant ON security.access_events (grant_id, position);

CREATE FUNCTION security.keep_access_events() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'access events are only ever added'; END $$;
CREATE TRIGGER keep_access_events BEFORE UPDATE OR DELETE ON security.access_events
    FOR EACH ROW EXECUTE FUNCTION security.keep_access_events();
CREATE TRIGGER keep_all_access_events BEFORE TRUNCATE ON security.access_events
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_access_events();
