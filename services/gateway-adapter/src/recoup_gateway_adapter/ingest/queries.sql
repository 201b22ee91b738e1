-- name: store
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: webhook ids, $4 timestamptz[]: the events' times,
-- $5 text[]: types, $6 text[]: customers or null, $7 bytea[]: bodies; what is there already stays as it is. Gives
-- how many are new.
WITH stored AS (
    INSERT INTO raw_webhooks (merchant_id, account_id, webhook_id, event_at, event_type, customer_id, body)
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[])
    ON CONFLICT DO NOTHING
    RETURNING raw_webhook_id, merchant_id, account_id
), queued AS (
    INSERT INTO untranslated (raw_webhook_id, merchant_id, account_id) SELECT * FROM stored RETURNING 1
)
SELECT count(*) FROM queued

-- name: known
-- $1 text: the account, $2 text[]: webhook ids and $3 timestamptz[]: the events' times, in pairs
SELECT w.webhook_id, w.event_at
FROM unnest($2::text[], $3::timestamptz[]) AS named (webhook_id, event_at)
JOIN raw_webhooks w ON w.account_id = $1 AND w.webhook_id = named.webhook_id AND w.event_at = named.event_at

-- name: prune
-- $1 interval: how long a webhook is kept; at most 5,000 rows a call, none that still waits. Gives how many.
WITH old AS (
    SELECT w.raw_webhook_id FROM raw_webhooks w
    WHERE w.arrived_at < now() - $1::interval
      AND NOT EXISTS (SELECT FROM untranslated u WHERE u.raw_webhook_id = w.raw_webhook_id)
    LIMIT 5000
), gone AS (
    DELETE FROM raw_webhooks USING old WHERE raw_webhooks.raw_webhook_id = old.raw_webhook_id RETURNING 1
)
SELECT count(*) FROM gone
