-- name: see_merchants
-- $1 text[]: the merchants whose rows the transaction may see; gives each one's own instant, and as merchant '' the
-- real one and what to count revisions above: the milliseconds of the last restore, 0 without one
WITH seen AS MATERIALIZED (SELECT set_config('recoup.merchants', $1::text[]::text, true))
SELECT '' AS merchant_id, clock_timestamp() AS at,
       (SELECT coalesce(extract(epoch FROM restored_at) * 1000, 0)::bigint FROM restored) AS above
FROM seen
UNION ALL
SELECT m.merchant_id, c.origin_merchant + (clock_timestamp() - c.origin_real) * c.rate, 0
FROM merchant_clocks m JOIN clocks c USING (clock_id)
WHERE m.merchant_id = ANY ($1)

-- name: write_outbox
-- $1 text[]: topics, $2 int[]: partitions, $3 bytea[]: keys, $4 text[]: headers, each the literal of an array of
-- alternating names and values, $5 bytea[]: values
INSERT INTO outbox (bucket, topic, partition, key, headers, value)
SELECT record.partition % relay_buckets.buckets, record.topic, record.partition, record.key,
       record.headers::text[], record.value
FROM relay_buckets,
     unnest($1::text[], $2::int[], $3::bytea[], $4::text[], $5::bytea[])
     WITH ORDINALITY AS record (topic, partition, key, headers, value, n)
ORDER BY record.n

-- name: add_customers
-- $1 text[]: merchants, $2 text[]: customers, both sorted together; before any row is locked, and in the same order
INSERT INTO customer_locks (merchant_id, customer_id)
SELECT wanted.merchant_id, wanted.customer_id FROM unnest($1::text[], $2::text[]) AS wanted (merchant_id, customer_id)
WHERE NOT EXISTS (
    SELECT FROM customer_locks AS there
    WHERE there.merchant_id = wanted.merchant_id AND there.customer_id = wanted.customer_id
)
ON CONFLICT DO NOTHING

-- name: lock_customers
-- $1 text[]: merchants, $2 text[]: customers, both sorted together (by code point, as Python sorts)
SELECT count(*) FROM (
    SELECT FROM customer_locks
    JOIN unnest($1::text[], $2::text[]) AS wanted (merchant_id, customer_id) USING (merchant_id, customer_id)
    ORDER BY merchant_id COLLATE "C", customer_id COLLATE "C"
    FOR UPDATE OF customer_locks
) AS locked

-- name: try_lock_customers
-- $1 text[]: merchants, $2 text[]: customers, both sorted together
SELECT merchant_id, customer_id FROM customer_locks
JOIN unnest($1::text[], $2::text[]) AS wanted (merchant_id, customer_id) USING (merchant_id, customer_id)
ORDER BY merchant_id COLLATE "C", customer_id COLLATE "C"
FOR UPDATE OF customer_locks SKIP LOCKED

-- name: held_customers
-- $1 text[]: merchants, $2 text[]: customers
SELECT DISTINCT merchant_id, customer_id FROM quarantine
JOIN unnest($1::text[], $2::text[]) AS wanted (merchant_id, customer_id) USING (merchant_id, customer_id)
WHERE released_at IS NULL
