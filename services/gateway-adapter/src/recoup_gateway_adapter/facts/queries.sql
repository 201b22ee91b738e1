-- name: objects_around
-- $1 text[]: accounts and $2 text[]: ids of any kind of object, both in pairs; gives these objects, and those that
-- point at them as their invoice, payment intent or charge
WITH wanted AS (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS pair (account_id, id))
SELECT o.account_id, o.kind, o.object_id, o.record::text
FROM wanted w JOIN gateway_objects o ON o.account_id = w.account_id AND o.object_id = w.id
UNION ALL
SELECT o.account_id, o.kind, o.object_id, o.record::text
FROM wanted w JOIN gateway_objects o ON o.account_id = w.account_id AND o.invoice_id = w.id
UNION ALL
SELECT o.account_id, o.kind, o.object_id, o.record::text
FROM wanted w JOIN gateway_objects o ON o.account_id = w.account_id AND o.payment_intent_id = w.id
UNION ALL
SELECT o.account_id, o.kind, o.object_id, o.record::text
FROM wanted w JOIN gateway_objects o ON o.account_id = w.account_id AND o.charge_id = w.id

-- name: save_objects
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: kinds, $4 text[]: ids, $5 text[]: invoices,
-- $6 text[]: payment intents, $7 text[]: charges, $8 bigint[]: versions, $9 text[]: records as JSON. What is as it was
-- is not written again: most webhooks of one payment say the same.
INSERT INTO gateway_objects
    (merchant_id, account_id, kind, object_id, invoice_id, payment_intent_id, charge_id, version, record)
SELECT merchant_id, account_id, kind, object_id, invoice_id, payment_intent_id, charge_id, version, record::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
            $9::text[])
     AS seen (merchant_id, account_id, kind, object_id, invoice_id, payment_intent_id, charge_id, version, record)
ORDER BY account_id, object_id, kind
ON CONFLICT (account_id, object_id, kind) DO UPDATE
SET invoice_id = excluded.invoice_id, payment_intent_id = excluded.payment_intent_id,
    charge_id = excluded.charge_id, version = excluded.version, record = excluded.record, changed_at = now()
WHERE (gateway_objects.invoice_id, gateway_objects.payment_intent_id, gateway_objects.charge_id,
       gateway_objects.version, gateway_objects.record)
      IS DISTINCT FROM
      (excluded.invoice_id, excluded.payment_intent_id, excluded.charge_id, excluded.version, excluded.record)

-- name: wait_for
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: kinds, $4 text[]: subjects, $5 interval[]: how long
INSERT INTO joins (merchant_id, account_id, kind, subject, due_at)
SELECT merchant_id, account_id, kind, subject, now() + wait
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::interval[])
     AS missing (merchant_id, account_id, kind, subject, wait)
ORDER BY account_id, kind, subject
ON CONFLICT DO NOTHING

-- name: joined
-- $1 text[]: accounts, $2 text[]: kinds, $3 text[]: subjects that wait no longer
DELETE FROM joins
USING (SELECT j.account_id, j.kind, j.subject
       FROM joins j
       JOIN unnest($1::text[], $2::text[], $3::text[]) AS done (account_id, kind, subject)
            USING (account_id, kind, subject)
       ORDER BY j.account_id, j.kind, j.subject
       FOR UPDATE OF j) AS done
WHERE joins.account_id = done.account_id AND joins.kind = done.kind AND joins.subject = done.subject

-- name: claim_joins
-- $1 int: how many at the most, $2 interval: lease; after it somebody else may take them
UPDATE joins SET due_at = now() + $2, tries = tries + 1
WHERE (account_id, kind, subject) IN (
    SELECT account_id, kind, subject FROM joins WHERE due_at <= now()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING merchant_id, account_id, kind, subject, tries, now() - waiting_since AS waited

-- name: renew_joins
-- $1 text[]: accounts, $2 text[]: kinds, $3 text[]: subjects that are under way, $4 interval: lease. What is
-- being ended just now stays as it is.
UPDATE joins SET due_at = greatest(joins.due_at, now() + $4)
FROM (
    SELECT account_id, kind, subject FROM joins
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS mine (account_id, kind, subject)
        USING (account_id, kind, subject)
    FOR UPDATE OF joins SKIP LOCKED
) AS held
WHERE joins.account_id = held.account_id AND joins.kind = held.kind AND joins.subject = held.subject

-- name: ask_again
-- $1 text[]: accounts, $2 text[]: kinds, $3 text[]: subjects, $4 interval[]: how long from now
UPDATE joins SET due_at = now() + later.wait
FROM unnest($1::text[], $2::text[], $3::text[], $4::interval[]) AS later (account_id, kind, subject, wait)
WHERE joins.account_id = later.account_id AND joins.kind = later.kind AND joins.subject = later.subject

-- name: count_joins
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(waiting_since)), 0)::float8 AS oldest
FROM joins

-- name: claim_untranslated
-- $1 int: how many at the most; held until the transaction ends
SELECT u.raw_webhook_id, u.merchant_id, u.account_id, o.gateway, u.tries, w.customer_id, w.body
FROM untranslated u
JOIN raw_webhooks w USING (raw_webhook_id)
JOIN account_owners o ON o.account_id = u.account_id
WHERE u.due_at <= now()
ORDER BY u.due_at, u.raw_webhook_id
LIMIT $1
FOR UPDATE OF u SKIP LOCKED

-- name: claim_one
-- $1 bigint: the webhook; held until the transaction ends
SELECT u.raw_webhook_id, u.merchant_id, u.account_id, o.gateway, u.tries, w.customer_id, w.body
FROM untranslated u
JOIN raw_webhooks w USING (raw_webhook_id)
JOIN account_owners o ON o.account_id = u.account_id
WHERE u.raw_webhook_id = $1
FOR UPDATE OF u SKIP LOCKED

-- name: translated
-- $1 bigint[]: webhooks
DELETE FROM untranslated WHERE raw_webhook_id = ANY ($1)

-- name: forget_erased
-- $1 text[]: accounts and $2 text[]: customers, in pairs; empties the translated webhooks of those who were erased
UPDATE raw_webhooks SET body = '{}'
FROM gateway_objects o
JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS seen (account_id, customer_id)
     ON o.account_id = seen.account_id AND o.object_id = seen.customer_id AND o.kind = 'customer'
WHERE (o.record -> 'customer' ->> 'erased')::boolean
  AND raw_webhooks.account_id = seen.account_id AND raw_webhooks.customer_id = seen.customer_id
  AND raw_webhooks.body <> '{}'
  AND NOT EXISTS (SELECT FROM untranslated u WHERE u.raw_webhook_id = raw_webhooks.raw_webhook_id)

-- name: translate_later
-- $1 bigint: the webhook, $2 interval: how long from now
UPDATE untranslated SET tries = tries + 1, due_at = now() + $2 WHERE raw_webhook_id = $1

-- name: set_aside
-- $1 bigint[]: webhooks, $2 text[]: reasons, $3 text[]: details
WITH gone AS (
    DELETE FROM untranslated USING unnest($1::bigint[], $2::text[], $3::text[]) AS bad (id, reason, detail)
    WHERE raw_webhook_id = bad.id
    RETURNING raw_webhook_id, merchant_id, account_id, bad.reason, bad.detail
)
INSERT INTO set_aside (raw_webhook_id, merchant_id, account_id, reason, detail) SELECT * FROM gone
ON CONFLICT (raw_webhook_id) DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, set_aside_at = now()

-- name: list_set_aside
-- $1 text: the merchant
SELECT s.raw_webhook_id, s.account_id, w.webhook_id, w.event_type, w.event_at, s.reason, s.detail, s.set_aside_at
FROM set_aside s JOIN raw_webhooks w USING (raw_webhook_id)
WHERE s.merchant_id = $1 ORDER BY s.set_aside_at DESC LIMIT 500

-- name: translate_again
-- $1 text: the merchant; gives how many
WITH again AS (
    DELETE FROM set_aside WHERE merchant_id = $1 RETURNING raw_webhook_id, merchant_id, account_id
), queued AS (
    INSERT INTO untranslated (raw_webhook_id, merchant_id, account_id) SELECT * FROM again
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT count(*) FROM queued

-- name: count_untranslated
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 AS oldest,
       (SELECT count(*) FROM set_aside) AS set_aside
FROM untranslated

-- name: next_snapshots
-- $1 text: the account, $2 text: kind and $3 text: id of the last one, $4 int: how many at the most
SELECT kind, object_id, record::text FROM gateway_objects
WHERE account_id = $1 AND version > 0 AND (kind, object_id) > ($2, $3)
ORDER BY kind, object_id LIMIT $4
