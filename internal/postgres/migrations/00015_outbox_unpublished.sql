-- +goose Up

-- Rejected events are pruned once they are published, and not before. The last one
-- published stays, which the relay's cursor speaks of. Of a copied database nothing goes,
-- as of drop_published_day.
-- +goose StatementBegin
DO $$
DECLARE
    was text := pg_get_functiondef('prune_outbox(timestamptz, integer)'::regprocedure);
    now text := replace(was, 'id <> (SELECT id FROM outbox ORDER BY transaction_id DESC, seq DESC LIMIT 1)',
        '(transaction_id, seq) < (SELECT l.xid, l.seq FROM relay_progress l, platform p, pg_control_system() c, pg_database d
                                  WHERE l.stream = ''outbox'' AND NOT l.finished AND d.datname = current_database()
                                    AND p.system_identifier = c.system_identifier AND p.database_oid = d.oid::bigint
                                  ORDER BY l.xid, l.seq LIMIT 1)');
BEGIN
    IF now = was THEN
        RAISE EXCEPTION 'prune_outbox is not as an earlier migration made it';
    END IF;
    EXECUTE now;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE regexp_replace(pg_get_functiondef('prune_outbox(timestamptz, integer)'::regprocedure), '\(transaction_id, seq\) < \(SELECT .* l\.seq LIMIT 1\)',
                           'id <> (SELECT id FROM outbox ORDER BY transaction_id DESC, seq DESC LIMIT 1)');
END
$$;
-- +goose StatementEnd
