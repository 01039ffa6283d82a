-- What happens to the product, for whoever follows it. Notices are numbered in the order in which their transactions commit, so
-- that a reader who goes on after the last number that it has seen misses nothing; the newest 10,000 are kept.
CREATE TABLE control.notices (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       uuid        NOT NULL DEFAULT gen_random_uuid(),
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text        NOT NULL CHECK (kind IN ('product', 'version', 'contract', 'access', 'quality')),
    what     text        NOT NULL,
    subject  text        NOT NULL,
    -- what a reader has to be, as among approvers; nothing: whoever may know of the product
    audience text[],
    data     jsonb       NOT NULL
);

CREATE FUNCTION control.notice(kind text, what text, subject text, audience text[], data jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    number bigint;
BEGIN
    -- held until the end of the transaction, which is near: the triggers below are deferred
    PERFORM pg_advisory_xact_lock(hashtextextended('terrane notices', 0));
    INSERT INTO control.notices (kind, what, subject, audience, data) VALUES (kind, what, subject, audience, data)
        RETURNING position INTO number;
    DELETE FROM control.notices WHERE position <= number - 10000;
END
$$;
REVOKE ALL ON FUNCTION control.notice(text, text, text, text[], jsonb) FROM PUBLIC;

CREATE FUNCTION control.notice_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM control.notice('version', CASE TG_OP WHEN 'INSERT' THEN 'version.published' ELSE 'version.restored' END,
        'versions/' || NEW.version, NULL,
        jsonb_build_object('version', NEW.version, 'runId', NEW.run_id, 'datasets', NEW.datasets));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER notice_published AFTER INSERT ON control.versions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION control.notice_version();
CREATE CONSTRAINT TRIGGER notice_restored AFTER UPDATE ON control.versions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'current' AND OLD.state <> 'current') EXECUTE FUNCTION control.notice_version();

CREATE FUNCTION control.notice_contracts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    before text;
BEGIN
    SELECT version INTO before FROM metadata.applied WHERE position < NEW.position ORDER BY position DESC LIMIT 1;
    IF before IS DISTINCT FROM NEW.version THEN
        PERFORM control.notice('product', 'product.version', 'product', NULL,
            jsonb_build_object('version', NEW.version, 'before', before));
    END IF;
    PERFORM control.notice('contract', 'contract.applied', 'contracts/' || NEW.position, NULL,
        jsonb_build_object('productVersion', NEW.version));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER notice_contracts AFTER INSERT ON metadata.applied DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION control.notice_contracts();

CREATE FUNCTION control.notice_quality() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    -- without what was measured, which may be values
    PERFORM control.notice('quality', 'quality.failed', 'runs/' || NEW.run_id, NULL,
        jsonb_build_object('runId', NEW.run_id, 'rule', NEW.rule, 'dataset', NEW.dataset, 'field', NEW.field,
            'severity', NEW.severity, 'dimension', NEW.dimension));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER notice_quality AFTER INSERT ON control.quality_results DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'failed') EXECUTE FUNCTION control.notice_quality();

CREATE FUNCTION control.notice_access() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    request security.access_requests;
    held    security.grants;
BEGIN
    SELECT * INTO request FROM security.access_requests WHERE id = NEW.request_id;
    SELECT * INTO held FROM security.grants WHERE id = NEW.grant_id;
    PERFORM control.notice('access', 'access.' || NEW.step,
        coalesce('requests/' || NEW.request_id, 'grants/' || NEW.grant_id),
        -- whom it is about, who asked, and who decides
        ARRAY['subject:' || coalesce(held.subject, request.subject)]
            || CASE WHEN request.id IS NULL THEN '{}' ELSE ARRAY['subject:' || request.requested_by] || request.approvers END
            || coalesce(held.approvers, '{}'),
        jsonb_build_object('requestId', NEW.request_id, 'grantId', NEW.grant_id,
            'subject', coalesce(held.subject, request.subject), 'role', coalesce(held.role, request.role),
            'fields', coalesce(held.fields, request.fields), 'purpose', coalesce(held.purpose, request.purpose),
            'level', NEW.level, 'actor', NEW.actor, 'expiresAt', held.expires_at));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER notice_access AFTER INSERT ON security.access_events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION control.notice_access();
