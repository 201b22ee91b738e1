-- name: save
-- $1 merchant, $2 customer, $3 account, $4 version, $5 email, $6 name, $7 locale, $8 timezone
INSERT INTO contacts (merchant_id, customer_id, account_id, version, email, name, locale, timezone)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
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
