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
-- $1 text[]: merchants, $2 uuid[]: attempts
SELECT attempts.* FROM attempts
JOIN unnest($1::text[], $2::uuid[]) AS wanted (merchant_id, attempt_id) USING (merchant_id, attempt_id)
ORDER BY merchant_id, attempt_id
FOR UPDATE OF attempts

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
-- Each parameter an array, one place an attempt. $1: merchants, $2: attempts, $3: the revisions they had,
-- $4: states, $5: reasons, $6: revisions, $7: unanswered, $8: first sent, $9: last sent, $10: look-ups,
-- $11: charges seen before, $12: charges, $13: payment intents, $14: where to authenticate, $15: until when,
-- $16: decline codes
UPDATE attempts SET state = becomes.state, reason = becomes.reason, revision = becomes.revision, unanswered = becomes.unanswered,
    first_sent_at = becomes.first_sent_at, last_sent_at = becomes.last_sent_at, look_ups = becomes.look_ups,
    seen_charge_id = becomes.seen_charge_id, charge_id = becomes.charge_id, payment_intent_id = becomes.payment_intent_id,
    action_url = becomes.action_url, action_until = becomes.action_until, decline_code = becomes.decline_code,
    changed_at = now()
FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::integer[],
            $8::timestamptz[], $9::timestamptz[], $10::integer[], $11::text[], $12::text[], $13::text[],
            $14::text[], $15::timestamptz[], $16::text[])
     AS becomes (merchant_id, attempt_id, was, state, reason, revision, unanswered, first_sent_at, last_sent_at,
             look_ups, seen_charge_id, charge_id, payment_intent_id, action_url, action_until,
             decline_code)
WHERE attempts.merchant_id = becomes.merchant_id AND attempts.attempt_id = becomes.attempt_id
  AND attempts.revision = becomes.was

-- name: settle
-- $1 text[]: merchants, $2 uuid[]: attempts
WITH gone AS (
    DELETE FROM attempts
    USING unnest($1::text[], $2::uuid[]) AS ended (merchant_id, attempt_id)
    WHERE attempts.merchant_id = ended.merchant_id AND attempts.attempt_id = ended.attempt_id
    RETURNING attempts.*
)
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

-- name: open_locks
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices
INSERT INTO invoice_locks (merchant_id, account_id, invoice_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING

-- name: take_locks
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, $4 text[]: for what, $5 uuid[]: holders; gives
-- the holders of those that were free or theirs
UPDATE invoice_locks SET held_for = wanted.held_for, held_by = wanted.holder
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[])
    AS wanted (merchant_id, account_id, invoice_id, held_for, holder)
WHERE invoice_locks.merchant_id = wanted.merchant_id AND invoice_locks.account_id = wanted.account_id
  AND invoice_locks.invoice_id = wanted.invoice_id
  AND (invoice_locks.held_by IS NULL OR invoice_locks.held_by = wanted.holder)
RETURNING invoice_locks.held_by

-- name: release_locks
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, $4 uuid[]: holders
UPDATE invoice_locks SET held_for = NULL, held_by = NULL
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS held (merchant_id, account_id, invoice_id, holder)
WHERE invoice_locks.merchant_id = held.merchant_id AND invoice_locks.account_id = held.account_id
  AND invoice_locks.invoice_id = held.invoice_id AND invoice_locks.held_by = held.holder

-- name: lock_states
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices
SELECT merchant_id, account_id, invoice_id, held_for, held_by FROM invoice_locks
JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (merchant_id, account_id, invoice_id)
    USING (merchant_id, account_id, invoice_id)
ORDER BY merchant_id, account_id, invoice_id
FOR UPDATE OF invoice_locks

-- name: planned_of_invoices
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices; those that are queued and not in an executor's
-- hands, so not those that wait for their turn in a session, nor the one that takes over. Each invoice's attempts
-- first, by the index that gives them in order: a planner that does not know the tables yet begins with the queue.
WITH waiting AS MATERIALIZED (
    SELECT attempt.* FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (merchant_id, account_id, invoice_id),
    LATERAL (
        SELECT merchant_id, account_id, invoice_id, attempt_id FROM attempts
        WHERE attempts.merchant_id = asked.merchant_id AND attempts.account_id = asked.account_id
          AND attempts.invoice_id = asked.invoice_id AND state = 'planned'
        ORDER BY attempts.number LIMIT 1000
    ) AS attempt
)
SELECT merchant_id, account_id, invoice_id, attempt_id FROM waiting
WHERE EXISTS (SELECT FROM gateway_work AS work WHERE work.merchant_id = waiting.merchant_id
              AND work.account_id = waiting.account_id AND work.kind = 'attempt'
              AND work.subject = waiting.attempt_id::text
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
