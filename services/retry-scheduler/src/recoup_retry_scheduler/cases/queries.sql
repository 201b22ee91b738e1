-- What cases follow from, loaded and saved a batch at a time. Callers hold the customers (`tx.lock_customers`).

-- name: cases
-- $1 text[]: merchants, $2 text[]: customers, in pairs: their open cases;
-- $3 text[]: merchants, $4 text[]: accounts, $5 text[]: invoices, in triples: their cases, closed ones too
SELECT detail::text
FROM unnest($1::text[], $2::text[]) AS wanted (merchant_id, customer_id)
JOIN cases USING (merchant_id, customer_id)
WHERE cases.state IN ('scheduled', 'trying', 'waiting', 'ending')
UNION ALL
SELECT detail::text
FROM unnest($3::text[], $4::text[], $5::text[]) AS wanted (merchant_id, account_id, invoice_id)
JOIN cases USING (merchant_id, account_id, invoice_id)
WHERE cases.state IN ('recovered', 'ended', 'reversed')

-- name: owners
-- $1 text[]: merchants, $2 uuid[]: cases, in pairs
SELECT merchant_id, account_id, customer_id, case_id
FROM unnest($1::text[], $2::uuid[]) AS wanted (merchant_id, case_id)
JOIN cases USING (merchant_id, case_id)

-- name: policies
-- $1 text[]: merchants
SELECT merchant_id, policies.version, policy::text, open_version, open_policy::text, zone
FROM unnest($1::text[]) AS wanted (merchant_id)
LEFT JOIN policies USING (merchant_id)
LEFT JOIN zones USING (merchant_id)

-- name: customer_charges
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: customers, in triples; $4 int: how many of each, the newest
SELECT merchant_id, account_id, customer_id, newest.*
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, account_id, customer_id)
CROSS JOIN LATERAL (
    SELECT customer_charges.at, fact_id, invoice_id, declined, funding FROM customer_charges
    WHERE customer_charges.merchant_id = wanted.merchant_id
      AND customer_charges.account_id = wanted.account_id
      AND customer_charges.customer_id = wanted.customer_id
    ORDER BY customer_charges.at DESC, fact_id DESC LIMIT $4
) AS newest

-- name: charges
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, in triples
SELECT outcome, fact::text
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, account_id, invoice_id)
JOIN charges USING (merchant_id, account_id, invoice_id)

-- name: invoices_of_charges
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: charges, in triples
SELECT merchant_id, account_id, charge_id, invoice_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, account_id, charge_id)
JOIN charges USING (merchant_id, account_id, charge_id)
WHERE charges.invoice_id IS NOT NULL

-- name: reversals
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, in triples;
-- $4 text[]: merchants, $5 text[]: accounts, $6 text[]: charges, in triples
SELECT fact::text
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, account_id, invoice_id)
JOIN reversals USING (merchant_id, account_id, invoice_id)
UNION ALL
SELECT fact::text
FROM unnest($4::text[], $5::text[], $6::text[]) AS wanted (merchant_id, account_id, charge_id)
JOIN reversals USING (merchant_id, account_id, charge_id)

-- name: cards
-- $1 text[]: merchants, $2 text[]: customers, $3 text[]: accounts, in triples
SELECT merchant_id, account_id, customer_id, edition::text
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, customer_id, account_id)
JOIN cards USING (merchant_id, customer_id, account_id)

-- name: invoices
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, in triples
SELECT merchant_id, account_id, facts::text
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, account_id, invoice_id)
JOIN invoices USING (merchant_id, account_id, invoice_id)

-- name: subscriptions
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: subscriptions, in triples
SELECT merchant_id, account_id, facts::text
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (merchant_id, account_id, subscription_id)
JOIN subscriptions USING (merchant_id, account_id, subscription_id)

-- name: declines
-- $1 text[]: merchants, $2 text[]: marks of cards, $3 timestamptz[]: since when, in triples
SELECT merchant_id, declined_mark, fact_id, charges.at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS wanted (merchant_id, declined_mark, since)
JOIN charges USING (merchant_id, declined_mark)
WHERE charges.at > wanted.since

-- name: add_charges
-- $1 text[]: merchants, $2 uuid[]: facts, $3 text[]: accounts, $4 text[]: invoices, $5 text[]: charges,
-- $6 text[]: outcomes, $7 timestamptz[]: when, $8 text[]: marks of declined cards, $9 text[]: facts as JSON
INSERT INTO charges (
    merchant_id, fact_id, account_id, invoice_id, charge_id, outcome, at, declined_mark, fact
)
SELECT merchant_id, fact_id, account_id, invoice_id, charge_id, outcome, at, declined_mark, fact::jsonb
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::text[]
) AS new (merchant_id, fact_id, account_id, invoice_id, charge_id, outcome, at, declined_mark, fact)
ON CONFLICT DO NOTHING

-- name: add_customer_charges
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: customers, $4 timestamptz[]: when, $5 uuid[]: facts,
-- $6 text[]: invoices, $7 text[]: classes of declines, $8 text[]: cards' funding
INSERT INTO customer_charges (
    merchant_id, account_id, customer_id, at, fact_id, invoice_id, declined, funding
)
SELECT merchant_id, account_id, customer_id, at, fact_id, invoice_id, declined, funding
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[], $8::text[]
) AS new (merchant_id, account_id, customer_id, at, fact_id, invoice_id, declined, funding)
ON CONFLICT DO NOTHING

-- name: add_reversals
-- $1 text[]: merchants, $2 uuid[]: facts, $3 text[]: accounts, $4 text[]: invoices, $5 text[]: charges,
-- $6 text[]: facts as JSON
INSERT INTO reversals (merchant_id, fact_id, account_id, invoice_id, charge_id, fact)
SELECT merchant_id, fact_id, account_id, invoice_id, charge_id, fact::jsonb
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS new (merchant_id, fact_id, account_id, invoice_id, charge_id, fact)
ON CONFLICT DO NOTHING

-- name: save_cards
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: customers, $4 text[]: instruments, $5 text[]: fingerprints,
-- $6 text[]: expiries, $7 text[]: editions as JSON
INSERT INTO cards (merchant_id, account_id, customer_id, instrument_id, fingerprint, expiry, edition)
SELECT merchant_id, account_id, customer_id, instrument_id, fingerprint, expiry, edition::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS new (merchant_id, account_id, customer_id, instrument_id, fingerprint, expiry, edition)
ON CONFLICT (merchant_id, customer_id, account_id, instrument_id, fingerprint, expiry)
DO UPDATE SET edition = excluded.edition

-- name: save_invoices
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: invoices, $4 text[]: facts as JSON
INSERT INTO invoices (merchant_id, account_id, invoice_id, facts)
SELECT merchant_id, account_id, invoice_id, facts::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS new (merchant_id, account_id, invoice_id, facts)
ON CONFLICT (merchant_id, account_id, invoice_id) DO UPDATE SET facts = excluded.facts, known_at = now()

-- name: save_subscriptions
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: subscriptions, $4 text[]: facts as JSON
INSERT INTO subscriptions (merchant_id, account_id, subscription_id, facts)
SELECT merchant_id, account_id, subscription_id, facts::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS new (merchant_id, account_id, subscription_id, facts)
ON CONFLICT (merchant_id, account_id, subscription_id) DO UPDATE SET facts = excluded.facts

-- name: save_cases
-- $1 text[]: merchants, $2 uuid[]: cases, $3 text[]: accounts, $4 text[]: customers, $5 text[]: invoices,
-- $6 text[]: subscriptions, $7 text[]: states, $8 text[]: whom they wait for, $9 timestamptz[]: first failures,
-- $10 timestamptz[]: deadlines, $11 timestamptz[]: next tries, $12 int[]: steps of the ladders, $13 int[]: steps
-- used, $14 int[]: tries asked for, $15 int[]: tries made, $16 uuid[]: tries outstanding, $17 text[]: kinds of
-- timers, $18 timestamptz[]: when they fire, $19 bigint[]: recovered in minor units, $20 text[]: by what,
-- $21 bigint[]: revisions, $22 text[]: cases as JSON
INSERT INTO cases (
    merchant_id, case_id, account_id, customer_id, invoice_id, subscription_id, state, waiting_for, failed_at,
    resolve_by, next_try_at, steps, position, tries, tries_made, try_id, wake_kind, wake_at, recovered_minor,
    recovered_by, revision, detail
)
SELECT
    merchant_id, case_id, account_id, customer_id, invoice_id, subscription_id, state, waiting_for, failed_at,
    resolve_by, next_try_at, steps, position, tries, tries_made, try_id, wake_kind, wake_at, recovered_minor,
    recovered_by, revision, detail::jsonb
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::int[], $13::int[], $14::int[], $15::int[],
    $16::uuid[], $17::text[], $18::timestamptz[], $19::bigint[], $20::text[], $21::bigint[], $22::text[]
) AS new (
    merchant_id, case_id, account_id, customer_id, invoice_id, subscription_id, state, waiting_for, failed_at,
    resolve_by, next_try_at, steps, position, tries, tries_made, try_id, wake_kind, wake_at, recovered_minor,
    recovered_by, revision, detail
)
ON CONFLICT (merchant_id, case_id) DO UPDATE SET
    subscription_id = excluded.subscription_id,
    state = excluded.state,
    waiting_for = excluded.waiting_for,
    failed_at = excluded.failed_at,
    resolve_by = excluded.resolve_by,
    next_try_at = excluded.next_try_at,
    steps = excluded.steps,
    position = excluded.position,
    tries = excluded.tries,
    tries_made = excluded.tries_made,
    try_id = excluded.try_id,
    wake_kind = excluded.wake_kind,
    wake_at = excluded.wake_at,
    recovered_minor = excluded.recovered_minor,
    recovered_by = excluded.recovered_by,
    revision = excluded.revision,
    detail = excluded.detail

-- name: save_policies
-- $1 text[]: merchants, $2 bigint[]: versions, $3 text[]: policies as JSON; a lower version changes nothing
INSERT INTO policies (merchant_id, version, policy)
SELECT merchant_id, version, policy::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (merchant_id, version, policy)
ON CONFLICT (merchant_id) DO UPDATE SET version = excluded.version, policy = excluded.policy
WHERE policies.version < excluded.version

-- name: save_open_policies
-- $1 text[]: merchants, $2 bigint[]: versions, $3 text[]: policies as JSON, of open cases too; each merchant has a
-- policy by now, and a lower version changes nothing
UPDATE policies SET open_version = new.version, open_policy = new.policy::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (merchant_id, version, policy)
WHERE policies.merchant_id = new.merchant_id AND coalesce(policies.open_version, 0) < new.version

-- name: spread_policies
-- $1 text[]: merchants whose open cases are to follow a policy, from the first customer on
INSERT INTO policy_spreads (merchant_id, after_customer_id) SELECT unnest($1::text[]), ''
ON CONFLICT (merchant_id) DO UPDATE SET after_customer_id = ''

-- name: policy_spreads
SELECT merchant_id FROM policy_spreads ORDER BY merchant_id

-- name: claim_policy_spread
-- $1 text: merchant
SELECT after_customer_id FROM policy_spreads WHERE merchant_id = $1 FOR UPDATE SKIP LOCKED

-- name: next_owners
-- $1 text: merchant, $2 text: customers after this one, $3 int: at most so many
SELECT DISTINCT account_id, customer_id FROM cases
WHERE merchant_id = $1 AND customer_id IN (
    SELECT DISTINCT customer_id FROM cases
    WHERE merchant_id = $1 AND customer_id > $2 AND state IN ('scheduled', 'trying', 'waiting', 'ending')
    ORDER BY customer_id LIMIT $3
) AND state IN ('scheduled', 'trying', 'waiting', 'ending')

-- name: go_on_spreading
-- $1 text: merchant, $2 text: the customer up to whom cases follow the policy
UPDATE policy_spreads SET after_customer_id = $2 WHERE merchant_id = $1

-- name: end_spreading
-- $1 text: merchant
DELETE FROM policy_spreads WHERE merchant_id = $1

-- name: save_zones
-- $1 text[]: merchants, $2 bigint[]: versions, $3 text[]: IANA names; a lower version changes nothing
INSERT INTO zones (merchant_id, version, zone)
SELECT merchant_id, version, zone
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (merchant_id, version, zone)
ON CONFLICT (merchant_id) DO UPDATE SET version = excluded.version, zone = excluded.zone
WHERE zones.version < excluded.version

-- name: know_merchants
-- $1 text[]: merchants
INSERT INTO merchants (merchant_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING

-- name: merchants
SELECT merchant_id FROM merchants ORDER BY merchant_id

-- name: open_cases
-- How many open cases there are by state, and how many of them have no live timer.
SELECT
    state,
    count(*) AS cases,
    count(*) FILTER (WHERE NOT EXISTS (
        SELECT FROM timers
        WHERE timers.merchant_id = cases.merchant_id AND timers.subject = cases.case_id::text
    )) AS without_timer
FROM cases
WHERE state IN ('scheduled', 'trying', 'waiting', 'ending')
GROUP BY state

-- name: forget_charges
-- $1 interval: how long facts are kept; at most 5,000 rows a call, none of an open case
DELETE FROM charges WHERE ctid = ANY (ARRAY(
    SELECT charges.ctid FROM charges
    WHERE charges.known_at < now() - $1::interval AND NOT EXISTS (
        SELECT FROM cases
        WHERE cases.merchant_id = charges.merchant_id AND cases.account_id = charges.account_id
          AND cases.invoice_id = charges.invoice_id
          AND cases.state IN ('scheduled', 'trying', 'waiting', 'ending')
    )
    LIMIT 5000
))

-- name: forget_invoices
-- $1 interval: how long facts are kept; at most 5,000 rows a call, none of an open case
DELETE FROM invoices WHERE ctid = ANY (ARRAY(
    SELECT invoices.ctid FROM invoices
    WHERE invoices.known_at < now() - $1::interval AND NOT EXISTS (
        SELECT FROM cases
        WHERE cases.merchant_id = invoices.merchant_id AND cases.account_id = invoices.account_id
          AND cases.invoice_id = invoices.invoice_id
          AND cases.state IN ('scheduled', 'trying', 'waiting', 'ending')
    )
    LIMIT 5000
))

-- name: forget_customer_charges
-- $1 interval: how long what the mind learns from is kept; at most 5,000 rows a call
DELETE FROM customer_charges WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM customer_charges WHERE known_at < now() - $1::interval LIMIT 5000
))
