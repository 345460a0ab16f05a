-- +goose Up

-- Drops the oldest day before the given one whose events are all published, and
-- returns it; null where there is none. The services may call it: it takes nothing
-- that a relay has yet to read, nor anything of a copied database, whose
-- transaction ids do not compare with what relays wrote down.
--
-- The locks keep writers out for as long as a DROP takes, and for a moment at most
-- where someone reads: then it fails, and is tried again at another time. DETACH
-- CONCURRENTLY cannot run in a function, and a service's role cannot own the table.
-- +goose StatementBegin
CREATE FUNCTION drop_published_day(before date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition record;
    published record;
    unread boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock('events'::regclass::oid::integer, 1) THEN
        RETURN NULL; -- another replica is at it
    END IF;
    PERFORM 1 FROM platform p, pg_control_system() c, pg_database d
    WHERE d.datname = current_database() AND p.system_identifier = c.system_identifier AND p.database_oid = d.oid::bigint;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT xid, seq INTO published FROM relay_lanes WHERE stream = 'events' ORDER BY xid, seq LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('lock_timeout', '200ms', true);
    FOR partition IN
        SELECT c.relname, to_date(right(c.relname, 10), 'YYYY_MM_DD') AS day
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass AND to_date(right(c.relname, 10), 'YYYY_MM_DD') < before
        ORDER BY 2
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE (xid, seq) > ($1, $2))', partition.relname)
            INTO unread USING published.xid, published.seq;
        CONTINUE WHEN unread;
        LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', partition.relname);
        -- what was being written before the lock is there now
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE (xid, seq) > ($1, $2))', partition.relname)
            INTO unread USING published.xid, published.seq;
        CONTINUE WHEN unread;
        EXECUTE format('DROP TABLE %I', partition.relname);
        RETURN partition.day;
    END LOOP;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION drop_published_day(date) SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION drop_published_day(date) FROM PUBLIC;

-- +goose Down
DROP FUNCTION drop_published_day(date);
