-- name: add_merchant
-- $1 text: merchant
INSERT INTO merchants (merchant_id) VALUES ($1)

-- name: merchants
-- $1 text: merchants after this one, $2 int: how many at the most
SELECT merchant_id FROM merchants WHERE merchant_id > $1 ORDER BY merchant_id LIMIT $2

-- name: setting
-- $1 text: merchant, $2 text: setting
SELECT setting, version, value, changed_at FROM settings WHERE merchant_id = $1 AND setting = $2

-- name: settings
-- $1 text[]: merchants
SELECT merchant_id, setting, version, value, changed_at FROM settings WHERE merchant_id = ANY ($1)
ORDER BY merchant_id, setting

-- name: accounts
-- $1 text: merchant
SELECT setting, version, value, changed_at FROM settings
WHERE merchant_id = $1 AND setting LIKE 'account/%' ORDER BY setting

-- name: lock_setting
-- $1 text: merchant, $2 text: setting; whoever changes it next waits, also where there is no row yet
SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 1))

-- name: save_setting
-- $1 text: merchant, $2 text: setting, $3 jsonb: value, $4 timestamptz: changed at (merchant's time)
INSERT INTO settings (merchant_id, setting, version, value, changed_at) VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (merchant_id, setting) DO UPDATE
SET version = settings.version + 1, value = excluded.value, changed_at = excluded.changed_at
RETURNING version

-- name: has_cases
-- $1 text: merchant
SELECT EXISTS (SELECT FROM cases WHERE merchant_id = $1)

-- name: add_advance
-- $1 text: merchant, $2 interval: merchant time to move on
INSERT INTO clock_advances (merchant_id, remaining, next_step_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (merchant_id) DO UPDATE SET remaining = clock_advances.remaining + excluded.remaining
RETURNING remaining

-- name: remaining_advance
-- $1 text: merchant
SELECT remaining FROM clock_advances WHERE merchant_id = $1

-- name: due_advances
SELECT * FROM due_clock_advances() AS merchant_id

-- name: claim_advance
-- $1 text: merchant
SELECT remaining FROM clock_advances
WHERE merchant_id = $1 AND remaining > interval '0' AND next_step_at <= clock_timestamp()
FOR UPDATE SKIP LOCKED

-- name: go_on_advancing
-- $1 text: merchant, $2 interval: what remains, $3 interval: real time until the next step
UPDATE clock_advances SET remaining = $2, next_step_at = clock_timestamp() + $3 WHERE merchant_id = $1
