-- name: hasten
-- $1 interval: merchant's time between looks. Read every account's event list now, from where the cursor stood
UPDATE event_cursors SET looked_at = looked_at - $1::interval, not_before = now(), failures = 0

-- name: behind
-- Accounts whose list could not be read to its end
SELECT e.account_id FROM event_cursors e JOIN account_owners o ON o.account_id = e.account_id AND o.enabled
WHERE e.failures > 0 ORDER BY e.account_id

-- name: open_invoices
-- $1 text: account; those that were open as far as we know, and those of attempts that are not settled
SELECT object_id AS invoice_id, record -> 'invoice' ->> 'customer_id' AS customer_id FROM gateway_objects
WHERE account_id = $1 AND kind = 'invoice' AND record -> 'invoice' ->> 'status' = 'open'
UNION
SELECT invoice_id, customer_id FROM attempts WHERE account_id = $1
ORDER BY 1
