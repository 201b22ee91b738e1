-- name: save_cases
-- $1 jsonb: an array of cases; of one case the highest revision wins, a lower one changes nothing
INSERT INTO cases
SELECT DISTINCT ON (merchant_id, case_id) * FROM jsonb_populate_recordset(NULL::cases, $1)
ORDER BY merchant_id, case_id, revision DESC
ON CONFLICT (merchant_id, case_id) DO UPDATE SET
    revision = excluded.revision, account_id = excluded.account_id, customer_id = excluded.customer_id,
    invoice_id = excluded.invoice_id, invoice_number = excluded.invoice_number,
    subscription_id = excluded.subscription_id, owed_minor = excluded.owed_minor, currency = excluded.currency,
    instrument = excluded.instrument, state = excluded.state, transition = excluded.transition,
    reason = excluded.reason, failed_at = excluded.failed_at, resolve_by = excluded.resolve_by,
    next_try_at = excluded.next_try_at, waiting_for = excluded.waiting_for, final_action = excluded.final_action,
    decline_code = excluded.decline_code, decline_class = excluded.decline_class,
    decline_action = excluded.decline_action, masked = excluded.masked, tries_made = excluded.tries_made,
    tries_planned = excluded.tries_planned, recovered_minor = excluded.recovered_minor,
    recovered_currency = excluded.recovered_currency, recovered_by = excluded.recovered_by,
    changed_at = excluded.changed_at, closed_at = excluded.closed_at
WHERE cases.revision < excluded.revision

-- name: save_happenings
-- $1 jsonb: an array of timeline rows; one that is there already stays
INSERT INTO timeline SELECT * FROM jsonb_populate_recordset(NULL::timeline, $1) ON CONFLICT DO NOTHING

-- name: save_invoices
-- $1 jsonb: an array of invoices; the highest version wins, the same one again is written again
INSERT INTO invoices
SELECT DISTINCT ON (merchant_id, account_id, invoice_id) * FROM jsonb_populate_recordset(NULL::invoices, $1)
ORDER BY merchant_id, account_id, invoice_id, version DESC
ON CONFLICT (merchant_id, account_id, invoice_id) DO UPDATE SET
    version = excluded.version, customer_id = excluded.customer_id, number = excluded.number,
    subscription_id = excluded.subscription_id, status = excluded.status, owed_minor = excluded.owed_minor,
    currency = excluded.currency
WHERE invoices.version <= excluded.version

-- name: save_subscriptions
-- $1 jsonb: an array of subscriptions; the highest version wins, the same one again is written again
INSERT INTO subscriptions
SELECT DISTINCT ON (merchant_id, account_id, subscription_id) *
FROM jsonb_populate_recordset(NULL::subscriptions, $1)
ORDER BY merchant_id, account_id, subscription_id, version DESC
ON CONFLICT (merchant_id, account_id, subscription_id) DO UPDATE SET
    version = excluded.version, customer_id = excluded.customer_id, status = excluded.status,
    description = excluded.description
WHERE subscriptions.version <= excluded.version

-- name: save_customers
-- $1 text[]: merchants, $2 text[]: accounts, $3 text[]: customers, $4 bigint[]: versions,
-- $5 bytea[]: address hashes, $6 text[]: locales; the highest version wins
INSERT INTO customers (merchant_id, account_id, customer_id, version, contact_hash, locale)
SELECT DISTINCT ON (merchant_id, account_id, customer_id) *
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[])
     AS told (merchant_id, account_id, customer_id, version, contact_hash, locale)
ORDER BY merchant_id, account_id, customer_id, version DESC
ON CONFLICT (merchant_id, account_id, customer_id) DO UPDATE SET
    version = excluded.version, contact_hash = excluded.contact_hash, locale = excluded.locale
WHERE customers.version <= excluded.version

-- name: erase_customers
-- $1 text[]: merchants, $2 text[]: customers
DELETE FROM customers USING unnest($1::text[], $2::text[]) AS erased (merchant_id, customer_id)
WHERE customers.merchant_id = erased.merchant_id AND customers.customer_id = erased.customer_id

-- name: erase_invoices
-- $1 text[]: merchants, $2 text[]: invoices
DELETE FROM invoices USING unnest($1::text[], $2::text[]) AS erased (merchant_id, invoice_id)
WHERE invoices.merchant_id = erased.merchant_id AND invoices.invoice_id = erased.invoice_id

-- name: erase_subscriptions
-- $1 text[]: merchants, $2 text[]: subscriptions
DELETE FROM subscriptions USING unnest($1::text[], $2::text[]) AS erased (merchant_id, subscription_id)
WHERE subscriptions.merchant_id = erased.merchant_id
  AND subscriptions.subscription_id = erased.subscription_id

-- name: case
-- $1 text: merchant, $2 uuid: case
SELECT * FROM cases WHERE merchant_id = $1 AND case_id = $2

-- name: cases
-- $1 text: merchant, $2 text: state or null for all, $3 timestamptz and $4 uuid: cases that failed before this one,
-- $5 int: how many at the most
SELECT * FROM cases
WHERE merchant_id = $1 AND ($2::text IS NULL OR state = $2) AND (failed_at, case_id) < ($3, $4)
ORDER BY failed_at DESC, case_id DESC LIMIT $5

-- name: timeline
-- $1 text: merchant, $2 uuid: case, $3 text: account, $4 text: customer, $5 timestamptz: first failure,
-- $6 timestamptz: closing or null while open, $7 int: how many at the most; customer-wide events within that time
SELECT event_id, at, what, details FROM timeline WHERE merchant_id = $1 AND case_id = $2
UNION ALL
SELECT event_id, at, what, details FROM timeline
WHERE merchant_id = $1 AND case_id IS NULL AND account_id = $3 AND customer_id = $4
  AND at >= $5 AND ($6::timestamptz IS NULL OR at <= $6)
ORDER BY at, event_id LIMIT $7

-- name: summary
-- $1 text: merchant, $2 timestamptz: its now
SELECT currency, state, recovered_by, count(*) AS cases, sum(owed_minor)::bigint AS owed_minor,
       coalesce(sum(recovered_minor), 0)::bigint AS recovered_minor, sum(tries_made)::bigint AS tries,
       count(*) FILTER (WHERE closed_at IS NULL AND resolve_by < $2) AS past_deadline
FROM cases WHERE merchant_id = $1 GROUP BY currency, state, recovered_by ORDER BY currency, state, recovered_by

-- name: open_cases
-- $1 text: merchant, $2 text: account, $3 text: customer; the oldest first, each with its invoice as it is known now
SELECT c.case_id, c.account_id, c.customer_id, c.invoice_id, c.state, c.failed_at,
       coalesce(i.number, c.invoice_number) AS invoice_number,
       coalesce(i.owed_minor, c.owed_minor) AS owed_minor, coalesce(i.currency, c.currency) AS currency,
       i.status AS invoice_status, s.description
FROM cases c
LEFT JOIN invoices i ON i.merchant_id = c.merchant_id AND i.account_id = c.account_id
                    AND i.invoice_id = c.invoice_id
LEFT JOIN subscriptions s ON s.merchant_id = c.merchant_id AND s.account_id = c.account_id
                         AND s.subscription_id = c.subscription_id
WHERE c.merchant_id = $1 AND c.account_id = $2 AND c.customer_id = $3 AND c.closed_at IS NULL
ORDER BY c.failed_at, c.case_id LIMIT 50

-- name: locale
-- $1 text: merchant, $2 text: account, $3 text: customer
SELECT locale FROM customers WHERE merchant_id = $1 AND account_id = $2 AND customer_id = $3

-- name: customers_of_contact
-- $1 text: merchant, $2 bytea: address hash; those with something open first
SELECT account_id, customer_id, locale FROM customers
WHERE merchant_id = $1 AND contact_hash = $2
ORDER BY EXISTS (
    SELECT FROM cases WHERE cases.merchant_id = customers.merchant_id
      AND cases.account_id = customers.account_id AND cases.customer_id = customers.customer_id
      AND cases.closed_at IS NULL
) DESC, account_id, customer_id LIMIT 50

-- name: contact_of_customer
-- $1 text: merchant, $2 text: account, $3 text: customer
SELECT contact_hash FROM customers WHERE merchant_id = $1 AND account_id = $2 AND customer_id = $3
