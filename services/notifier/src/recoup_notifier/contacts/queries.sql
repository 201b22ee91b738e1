-- name: save
-- $1 text[]: merchants, $2 text[]: customers, $3 text[]: accounts, $4 bigint[]: versions, $5 text[]: emails,
-- $6 text[]: names, $7 text[]: locales, $8 text[]: timezones, in step; no customer twice
INSERT INTO contacts (merchant_id, customer_id, account_id, version, email, name, locale, timezone)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[]
)
ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
    account_id = excluded.account_id,
    version = excluded.version,
    email = excluded.email,
    name = excluded.name,
    locale = excluded.locale,
    timezone = excluded.timezone
WHERE contacts.version <= excluded.version;

-- name: find
-- $1 text[]: merchants, $2 text[]: customers, in step
SELECT c.*
FROM contacts c
JOIN unnest($1::text[], $2::text[]) AS wanted (merchant_id, customer_id) USING (merchant_id, customer_id);

-- name: erase
-- $1 text[]: merchants, $2 text[]: customers, in step
DELETE FROM contacts c
USING unnest($1::text[], $2::text[]) AS gone (merchant_id, customer_id)
WHERE c.merchant_id = gone.merchant_id AND c.customer_id = gone.customer_id;
