-- name: number_invoices
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, $4 int[]: how many numbers each needs;
-- gives the last number of each
INSERT INTO invoice_locks (merchant_id, account_id, invoice_id, last_number)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[])
ON CONFLICT (merchant_id, account_id, invoice_id)
DO UPDATE SET last_number = invoice_locks.last_number + excluded.last_number
RETURNING merchant_id, account_id, invoice_id, last_number

-- name: add
-- $1 jsonb: attempts, their bodies in base64
INSERT INTO attempts (merchant_id, attempt_id, account_id, customer_id, invoice_id, number, idempotency_key, body,
    kind, customer_present, instrument_id, case_id, try_id, card_session_id, position, not_after, state, reason,
    revision)
SELECT merchant_id, attempt_id, account_id, customer_id, invoice_id, number, idempotency_key,
    decode(body, 'base64'), kind, customer_present, instrument_id, case_id, try_id, card_session_id, position,
    not_after, state, reason, revision
FROM jsonb_to_recordset($1) AS given (merchant_id text, attempt_id uuid, account_id text, customer_id text,
    invoice_id text, number integer, idempotency_key text, body text, kind text, customer_present boolean,
    instrument_id text, case_id uuid, try_id uuid, card_session_id uuid, position integer,
    not_after timestamptz, state text, reason text, revision bigint)

-- name: of_tries
-- $1 text[]: merchants, $2 uuid[]: tries
SELECT attempt.* FROM every_attempt AS attempt
JOIN unnest($1::text[], $2::uuid[]) AS wanted (merchant_id, try_id) USING (merchant_id, try_id)

-- name: lock_open
-- $1: merchant, $2: attempt
SELECT * FROM attempts WHERE merchant_id = $1 AND attempt_id = $2 FOR UPDATE

-- name: get
-- $1: merchant, $2 uuid[]: attempts
SELECT * FROM every_attempt WHERE merchant_id = $1 AND attempt_id = ANY ($2::uuid[])

-- name: by_key_or_charge
-- $1: account, $2 text[]: idempotency keys, $3 text[]: charges
SELECT * FROM every_attempt
WHERE account_id = $1 AND merchant_id = ANY ((SELECT recoup_merchants())::text[])
  AND (idempotency_key = ANY ($2::text[]) OR charge_id = ANY ($3::text[]))

-- name: open_by_key_or_charge
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: keys or null, $4 text[]: charges or null; with the
-- ordinal, from 1, of the pair that found it
SELECT told.n, attempts.* FROM attempts
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
    AS told (merchant_id, account_id, key, charge, n)
    ON attempts.merchant_id = told.merchant_id AND attempts.account_id = told.account_id
    AND (attempts.idempotency_key = told.key OR attempts.charge_id = told.charge)
ORDER BY told.n
FOR UPDATE OF attempts

-- name: awaited_of
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: payment intents or null, $4 text[]: invoices or null
SELECT DISTINCT attempts.merchant_id, attempts.account_id, attempt_id, customer_id FROM attempts
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS told (merchant_id, account_id, intent, invoice)
    ON attempts.merchant_id = told.merchant_id AND attempts.account_id = told.account_id
    AND (attempts.payment_intent_id = told.intent OR attempts.invoice_id = told.invoice)
WHERE state IN ('pending', 'requires_action', 'unknown')

-- name: save
-- $1: merchant, $2: attempt, $3: the revision it had, $4: state, $5: reason, $6: revision, $7: unanswered,
-- $8: first sent, $9: last sent, $10: look-ups, $11: charge seen before, $12: charge, $13: payment intent,
-- $14: where to authenticate, $15: until when, $16: decline code
UPDATE attempts SET state = $4, reason = $5, revision = $6, unanswered = $7, first_sent_at = $8, last_sent_at = $9,
    look_ups = $10, seen_charge_id = $11, charge_id = $12, payment_intent_id = $13, action_url = $14,
    action_until = $15, decline_code = $16, changed_at = now()
WHERE merchant_id = $1 AND attempt_id = $2 AND revision = $3

-- name: settle
-- $1: merchant, $2: attempt
WITH gone AS (DELETE FROM attempts WHERE merchant_id = $1 AND attempt_id = $2 RETURNING *)
INSERT INTO settled_attempts SELECT * FROM gone

-- name: name_charge
-- $1: merchant, $2: attempt, $3: charge
UPDATE settled_attempts SET charge_id = $3
WHERE merchant_id = $1 AND attempt_id = $2 AND charge_id IS NULL

-- name: bump_open
-- $1 text[]: merchants, $2 uuid[]: attempts
UPDATE attempts SET revision = revision + 1
FROM unnest($1::text[], $2::uuid[]) AS asked (merchant_id, attempt_id)
WHERE attempts.merchant_id = asked.merchant_id AND attempts.attempt_id = asked.attempt_id
RETURNING attempts.*

-- name: bump_settled
-- $1 text[]: merchants, $2 uuid[]: attempts
UPDATE settled_attempts SET revision = revision + 1
FROM unnest($1::text[], $2::uuid[]) AS asked (merchant_id, attempt_id)
WHERE settled_attempts.merchant_id = asked.merchant_id AND settled_attempts.attempt_id = asked.attempt_id
RETURNING settled_attempts.*

-- name: take_lock
-- $1: merchant, $2: account, $3: invoice, $4: for what, $5: holder; gives the holder where it was free or his
UPDATE invoice_locks SET held_for = $4, held_by = $5
WHERE merchant_id = $1 AND account_id = $2 AND invoice_id = $3 AND (held_by IS NULL OR held_by = $5)
RETURNING held_by

-- name: open_lock
-- $1: merchant, $2: account, $3: invoice
INSERT INTO invoice_locks (merchant_id, account_id, invoice_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: release_lock
-- $1: merchant, $2: account, $3: invoice, $4: holder
UPDATE invoice_locks SET held_for = NULL, held_by = NULL
WHERE merchant_id = $1 AND account_id = $2 AND invoice_id = $3 AND held_by = $4

-- name: lock_state
-- $1: merchant, $2: account, $3: invoice
SELECT held_for, held_by FROM invoice_locks
WHERE merchant_id = $1 AND account_id = $2 AND invoice_id = $3 FOR UPDATE

-- name: planned_of_invoice
-- $1: merchant, $2: account, $3: invoice; those that are queued and not in an executor's hands, so not those that
-- wait for their turn in a session, nor the one that takes over
SELECT attempt_id FROM attempts
WHERE merchant_id = $1 AND account_id = $2 AND invoice_id = $3 AND state = 'planned'
  AND EXISTS (SELECT FROM gateway_work AS work WHERE work.merchant_id = attempts.merchant_id
              AND work.account_id = attempts.account_id AND work.kind = 'attempt'
              AND work.subject = attempts.attempt_id::text
              AND (work.lease_id IS NULL OR work.due_at <= now()))

-- name: rest_of_session
-- $1: merchant, $2: card session
SELECT * FROM attempts WHERE merchant_id = $1 AND card_session_id = $2 AND state = 'planned'
ORDER BY position FOR UPDATE

-- name: of_session
-- $1: merchant, $2: card session
SELECT * FROM every_attempt WHERE merchant_id = $1 AND card_session_id = $2 ORDER BY position

-- name: of_invoice
-- $1: merchant, $2: account, $3: invoice
SELECT * FROM every_attempt WHERE merchant_id = $1 AND account_id = $2 AND invoice_id = $3 ORDER BY number

-- name: by_state
-- $1: now (real time). Over all merchants; ids and states only.
SELECT state, count(*) AS n, count(*) FILTER (WHERE reason = 'needs_person') AS for_a_person,
    extract(epoch FROM $1 - min(since))::double precision AS oldest
FROM attempt_states GROUP BY state

-- name: everything_stopped
SELECT stopped FROM stop_everything

-- name: stop_everything
-- $1: whether nothing is charged and nothing is ended, for anybody
UPDATE stop_everything SET stopped = $1
