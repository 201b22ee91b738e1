-- name: own
-- $1 text: account, $2 text: merchant, $3 text: gateway; gives whose the account is, ours or another's
INSERT INTO account_owners (account_id, merchant_id, gateway) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id
RETURNING merchant_id, gateway

-- name: enable
-- $1 text: account, $2 text: merchant, $3 bool: whether it is enabled
UPDATE account_owners SET enabled = $3 WHERE account_id = $1 AND merchant_id = $2

-- name: owner
-- $1 text: account
SELECT merchant_id, gateway, enabled FROM account_owners WHERE account_id = $1

-- name: owners
-- Every account that is enabled, in order
SELECT account_id, merchant_id, gateway FROM account_owners WHERE enabled ORDER BY account_id

-- name: owned
-- Every account, disabled ones too, in order
SELECT account_id, merchant_id, gateway FROM account_owners ORDER BY account_id

-- name: put
-- $1 text: account, $2 text: merchant, $3 text: name, $4 bool: live mode, $5 text: base address or null,
-- $6 text: API version or null, $7 bool: collection paused, or null to leave it, $8 bytea: API key and
-- $9 bytea: webhook secret, sealed
INSERT INTO accounts (account_id, merchant_id, name, livemode, base_url, api_version, collection_paused,
                      api_key_sealed, webhook_secret_sealed)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, false), $8, $9)
ON CONFLICT (account_id) DO UPDATE
SET name = excluded.name, livemode = excluded.livemode, base_url = excluded.base_url,
    api_version = excluded.api_version, collection_paused = coalesce($7, accounts.collection_paused),
    api_key_sealed = excluded.api_key_sealed, webhook_secret_sealed = excluded.webhook_secret_sealed,
    old_webhook_secret_sealed = NULL, old_webhook_secret_until = NULL, changed_at = now()

-- name: rotate_webhook_secret
-- $1 text: account, $2 bytea: the new secret, sealed, $3 bytea: the present one, sealed as the old one,
-- $4 interval: how long the old one stays valid (real time)
UPDATE accounts SET webhook_secret_sealed = $2, old_webhook_secret_sealed = $3,
    old_webhook_secret_until = now() + $4, changed_at = now()
WHERE account_id = $1

-- name: get
-- $1 text[]: accounts
SELECT a.account_id, a.merchant_id, o.gateway, a.name, a.livemode, a.base_url, a.api_version, o.enabled,
       a.collection_paused, a.api_key_sealed, a.webhook_secret_sealed, a.old_webhook_secret_sealed,
       a.old_webhook_secret_until
FROM accounts a JOIN account_owners o USING (account_id)
WHERE a.account_id = ANY ($1)

-- name: pause_collection
-- $1 text: account, $2 bool: whether we charge nothing there
UPDATE accounts SET collection_paused = $2, changed_at = now() WHERE account_id = $1

-- name: reseal
-- $1 text: account, $2 bytea: API key, $3 bytea: webhook secret, $4 bytea: old webhook secret or null, all sealed anew
UPDATE accounts SET api_key_sealed = $2, webhook_secret_sealed = $3, old_webhook_secret_sealed = $4
WHERE account_id = $1

-- name: save_settings
-- $1 text[]: merchants, $2 text[]: settings, $3 bigint[]: versions, $4 text[]: values as JSON; a lower version
-- changes nothing
INSERT INTO merchant_settings (merchant_id, setting, version, value)
SELECT merchant_id, setting, version, value::jsonb
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS told (merchant_id, setting, version, value)
ORDER BY merchant_id, setting
ON CONFLICT (merchant_id, setting) DO UPDATE SET version = excluded.version, value = excluded.value
WHERE merchant_settings.version <= excluded.version

-- name: read_setting
-- $1 text[]: merchants, $2 text: setting
SELECT merchant_id, value FROM merchant_settings WHERE merchant_id = ANY ($1) AND setting = $2
