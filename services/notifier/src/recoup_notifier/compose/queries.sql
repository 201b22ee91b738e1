-- name: save_setting
-- $1 merchant, $2 setting, $3 version, $4 value
INSERT INTO merchant_settings (merchant_id, setting, version, value)
VALUES ($1, $2, $3, $4)
ON CONFLICT (merchant_id, setting) DO UPDATE SET version = excluded.version, value = excluded.value
WHERE merchant_settings.version <= excluded.version;

-- name: forget_setting
-- $1 merchant, $2 setting
DELETE FROM merchant_settings WHERE merchant_id = $1 AND setting = $2;

-- name: settings_of
-- $1 text[]: merchants
SELECT merchant_id, setting, value FROM merchant_settings WHERE merchant_id = ANY ($1::text[]);
