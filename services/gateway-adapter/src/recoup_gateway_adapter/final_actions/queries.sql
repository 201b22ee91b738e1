-- name: add
-- $1 text[]: merchants, $2 uuid[]: cases, $3 bigint[]: revisions, $4 text[]: accounts, $5 text[]: customers,
-- $6 text[]: invoices, $7 text[]: subscriptions or null, $8 text[]: actions; gives those cases that are new
INSERT INTO final_actions (merchant_id, case_id, revision, account_id, customer_id, invoice_id, subscription_id, action)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
ON CONFLICT DO NOTHING
RETURNING merchant_id, case_id

-- name: ask_again
-- $1: merchant, $2: case, $3: revision
UPDATE final_actions SET revision = greatest(revision, $3)
WHERE merchant_id = $1 AND case_id = $2
RETURNING *

-- name: lock
-- $1: merchant, $2: case
SELECT * FROM final_actions WHERE merchant_id = $1 AND case_id = $2 FOR UPDATE

-- name: asking
-- $1: merchant, $2: case
UPDATE final_actions SET asked_at = coalesce(asked_at, now()) WHERE merchant_id = $1 AND case_id = $2

-- name: silent
-- $1: merchant, $2: case
UPDATE final_actions SET silences = silences + 1 WHERE merchant_id = $1 AND case_id = $2

-- name: end_action
-- $1: merchant, $2: case, $3: outcome, $4: detail or null
UPDATE final_actions SET outcome = $3, detail = $4, ended_at = now()
WHERE merchant_id = $1 AND case_id = $2 AND outcome IS NULL
