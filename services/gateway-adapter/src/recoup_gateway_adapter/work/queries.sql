-- name: put
-- $1 text[]: kinds, $2 text[]: merchants, $3 text[]: accounts, $4 text[]: subjects, $5 text[]: customers,
-- $6 int[]: priorities, $7 timestamptz[]: due (real time). What is there already becomes due then; a lease ends.
INSERT INTO gateway_work (kind, merchant_id, account_id, subject, customer_id, priority, due_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[])
ON CONFLICT (merchant_id, account_id, kind, subject) DO UPDATE
SET due_at = excluded.due_at, lease_id = NULL, failures = 0,
    priority = least(gateway_work.priority, excluded.priority)

-- name: open_flows
-- $1 text[]: merchants, $2 text[]: accounts, $3: tokens to begin with
INSERT INTO account_flow (merchant_id, account_id, tokens, refilled_at, claimed_at)
SELECT DISTINCT merchant_id, account_id, $3::double precision, statement_timestamp(), '-infinity'::timestamptz
FROM unnest($1::text[], $2::text[]) AS given (merchant_id, account_id)
ORDER BY merchant_id, account_id
ON CONFLICT DO NOTHING

-- name: any_due
SELECT EXISTS (SELECT FROM gateway_work WHERE due_at <= now())

-- name: accounts_due
-- $1: now (real time), $2: how many rows to look at. Complete where fewer rows than $2 are due.
SELECT merchant_id, account_id, count(*) AS found
FROM (SELECT merchant_id, account_id FROM gateway_work WHERE due_at <= $1 ORDER BY due_at LIMIT $2) AS due
GROUP BY merchant_id, account_id

-- name: every_account_due
-- $1: now (real time). A loose scan: one look an account, however much it has to do.
WITH RECURSIVE account (merchant_id, account_id) AS (
    (SELECT merchant_id, account_id FROM gateway_work ORDER BY merchant_id, account_id LIMIT 1)
    UNION ALL
    SELECT following.merchant_id, following.account_id
    FROM account CROSS JOIN LATERAL (
        SELECT merchant_id, account_id FROM gateway_work
        WHERE (merchant_id, account_id) > (account.merchant_id, account.account_id)
        ORDER BY merchant_id, account_id LIMIT 1
    ) AS following
)
SELECT merchant_id, account_id FROM account
WHERE EXISTS (
    SELECT FROM gateway_work AS work
    WHERE work.merchant_id = account.merchant_id AND work.account_id = account.account_id AND work.due_at <= $1
)

-- name: take_flows
-- $1 text[]: merchants, $2 text[]: accounts, $3: now (real time), $4: how many accounts at most
SELECT flow.merchant_id, flow.account_id, tokens, refilled_at, failures, closed_until, closed_because,
    (SELECT count(*) FROM gateway_work AS work
     WHERE work.merchant_id = flow.merchant_id AND work.account_id = flow.account_id
       AND work.lease_id IS NOT NULL AND work.due_at > $3) AS leased
FROM account_flow AS flow
JOIN unnest($1::text[], $2::text[]) AS due (merchant_id, account_id) USING (merchant_id, account_id)
WHERE closed_until IS NULL OR closed_until <= $3
ORDER BY claimed_at
LIMIT $4
FOR UPDATE OF flow SKIP LOCKED

-- name: claim
-- $1 text[]: merchants, $2 text[]: accounts, $3 int[]: how many of each, $4: now, $5: the lease's end (real time),
-- $6: the lease
UPDATE gateway_work AS work SET lease_id = $6, due_at = $5
FROM (
    SELECT first.* FROM unnest($1::text[], $2::text[], $3::int[]) AS share (merchant_id, account_id, n)
    CROSS JOIN LATERAL (
        SELECT merchant_id, account_id, kind, subject FROM gateway_work AS due
        WHERE due.merchant_id = share.merchant_id AND due.account_id = share.account_id AND due.due_at <= $4
        ORDER BY priority, due_at
        LIMIT share.n
        FOR UPDATE SKIP LOCKED
    ) AS first
) AS chosen
WHERE work.merchant_id = chosen.merchant_id AND work.account_id = chosen.account_id
  AND work.kind = chosen.kind AND work.subject = chosen.subject
RETURNING work.kind, work.merchant_id, work.account_id, work.subject, work.customer_id, work.priority,
    work.failures, work.lease_id

-- name: spend
-- $1 text[]: merchants, $2 text[]: accounts, $3 float8[]: tokens left, $4: now (real time)
UPDATE account_flow AS flow SET tokens = spent.tokens, refilled_at = $4, claimed_at = $4
FROM unnest($1::text[], $2::text[], $3::double precision[]) AS spent (merchant_id, account_id, tokens)
WHERE flow.merchant_id = spent.merchant_id AND flow.account_id = spent.account_id

-- name: renew
-- $1 uuid[]: leases, $2: their new end (real time)
UPDATE gateway_work AS work SET due_at = $2
FROM (
    SELECT merchant_id, account_id, kind, subject FROM gateway_work
    WHERE lease_id = ANY ($1::uuid[]) FOR UPDATE SKIP LOCKED
) AS mine
WHERE work.merchant_id = mine.merchant_id AND work.account_id = mine.account_id
  AND work.kind = mine.kind AND work.subject = mine.subject

-- name: again
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: kinds, $4 text[]: subjects, $5 timestamptz[]: when (real time)
UPDATE gateway_work AS work SET due_at = later.at, lease_id = NULL, failures = 0
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS later (merchant_id, account_id, kind, subject, at)
WHERE work.merchant_id = later.merchant_id AND work.account_id = later.account_id
  AND work.kind = later.kind AND work.subject = later.subject

-- name: failed
-- $1: merchant, $2: account, $3: kind, $4: subject, $5: when (real time), $6: the lease
UPDATE gateway_work SET due_at = $5, lease_id = NULL, failures = failures + 1
WHERE merchant_id = $1 AND account_id = $2 AND kind = $3 AND subject = $4 AND lease_id = $6

-- name: done
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: kinds, $4 text[]: subjects
DELETE FROM gateway_work AS work
USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS ended (merchant_id, account_id, kind, subject)
WHERE work.merchant_id = ended.merchant_id AND work.account_id = ended.account_id
  AND work.kind = ended.kind AND work.subject = ended.subject

-- name: well
-- $1: merchant, $2: account
UPDATE account_flow SET failures = 0, closed_until = NULL, closed_because = NULL
WHERE merchant_id = $1 AND account_id = $2 AND (failures > 0 OR closed_until IS NOT NULL)

-- name: lock_flow
-- $1: merchant, $2: account
SELECT merchant_id, account_id, tokens, refilled_at, failures, closed_until, closed_because
FROM account_flow WHERE merchant_id = $1 AND account_id = $2 FOR UPDATE

-- name: save_flow
-- $1: merchant, $2: account, $3: tokens, $4: failures, $5: closed until (real time), $6: why
UPDATE account_flow SET tokens = $3, failures = $4, closed_until = $5, closed_because = $6
WHERE merchant_id = $1 AND account_id = $2

-- name: closed_accounts
SELECT closed_because, count(*) AS n FROM account_flow WHERE closed_because IS NOT NULL GROUP BY closed_because

-- name: backlog
-- $1: now (real time)
SELECT kind, count(*) AS n, extract(epoch FROM $1 - min(due_at))::double precision AS oldest
FROM gateway_work WHERE due_at <= $1 GROUP BY kind

-- name: hasten
-- $1: merchant, $2: account, $3: now (real time). What waits is due, but for what is being run.
UPDATE gateway_work SET due_at = $3
WHERE merchant_id = $1 AND account_id = $2 AND lease_id IS NULL AND due_at > $3
