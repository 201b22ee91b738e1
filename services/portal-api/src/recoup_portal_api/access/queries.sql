-- name: find_api_key
-- $1 bytea: SHA-256 of the key
SELECT merchant_id, key_id, key_hash FROM find_api_key($1)

-- name: add_api_key
-- $1 text: merchant, $2 uuid: key id, $3 bytea: SHA-256 of the key, $4 text: its name
INSERT INTO api_keys (merchant_id, key_id, key_hash, name) VALUES ($1, $2, $3, $4) RETURNING created_at

-- name: api_keys
-- $1 text: merchant
SELECT key_id, name, created_at, revoked_at FROM api_keys WHERE merchant_id = $1 ORDER BY created_at, key_id

-- name: lock_api_keys
-- $1 text: merchant; held so that two who revoke each other's key don't both succeed
SELECT key_id FROM api_keys WHERE merchant_id = $1 AND revoked_at IS NULL ORDER BY key_id FOR UPDATE

-- name: revoke_api_key
-- $1 text: merchant, $2 uuid: key id
UPDATE api_keys SET revoked_at = now() WHERE merchant_id = $1 AND key_id = $2 AND revoked_at IS NULL

-- name: write_audit
-- $1 text: merchant, $2 text: actor, $3 text: action, $4 text: subject, $5 jsonb: before, $6 jsonb: after
INSERT INTO audit_log (merchant_id, actor, action, subject, before, after) VALUES ($1, $2, $3, $4, $5, $6)

-- name: audit_log
-- $1 text: merchant, $2 bigint: entries before this one, $3 int: how many at the most
SELECT entry_id, at, actor, action, subject, before, after FROM audit_log
WHERE merchant_id = $1 AND entry_id < $2 ORDER BY entry_id DESC LIMIT $3

-- name: one_at_a_time
-- $1 text: merchant, $2 bytea: address hash; held until the transaction ends, so that mails are counted one by one
SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2, 'hex'), 0))

-- name: count_sign_in_tokens
-- $1 text: merchant, $2 bytea: address hash, $3 timestamptz: written since (real)
SELECT count(*) FROM sign_in_tokens WHERE merchant_id = $1 AND contact_hash = $2 AND created_at > $3

-- name: add_sign_in_token
-- $1 text: merchant, $2 bytea: token hash, $3 bytea: address hash, $4 timestamptz: now, $5 timestamptz: expiry (real)
INSERT INTO sign_in_tokens (merchant_id, token_hash, contact_hash, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5)

-- name: sign_in_token_is_good
-- $1 text: merchant, $2 bytea: token hash, $3 timestamptz: now (real)
SELECT count(*) FROM sign_in_tokens WHERE merchant_id = $1 AND token_hash = $2 AND expires_at > $3

-- name: consume_sign_in_token
-- $1 text: merchant, $2 bytea: token hash, $3 timestamptz: now (real); of a hundred at once, one gets the row
DELETE FROM sign_in_tokens WHERE merchant_id = $1 AND token_hash = $2 AND expires_at > $3 RETURNING contact_hash

-- name: add_session
-- $1 text: merchant, $2 bytea: session hash, $3 bytea: address hash, $4 timestamptz: now, $5 timestamptz: expiry (real)
INSERT INTO sessions (merchant_id, session_hash, contact_hash, created_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $4, $5)

-- name: session
-- $1 text: merchant, $2 bytea: session hash
SELECT contact_hash, seen_at, expires_at FROM sessions WHERE merchant_id = $1 AND session_hash = $2

-- name: touch_session
-- $1 text: merchant, $2 bytea: session hash, $3 timestamptz: now (real); written once a minute at the most
UPDATE sessions SET seen_at = $3::timestamptz
WHERE merchant_id = $1 AND session_hash = $2 AND seen_at < $3::timestamptz - interval '1 minute'

-- name: end_session
-- $1 text: merchant, $2 bytea: session hash
DELETE FROM sessions WHERE merchant_id = $1 AND session_hash = $2

-- name: purge_expired
SELECT purge_expired()
