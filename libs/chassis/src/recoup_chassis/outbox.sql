-- name: count_buckets
SELECT buckets FROM relay_buckets

-- name: take_bucket
-- $1 int: the bucket; held by this session until it ends
SELECT pg_try_advisory_lock(7263052, $1)

-- name: next_events
-- $1 int[]: buckets that this relay holds, $2 bigint: those above this id, $3 int: how many at the most
SELECT outbox_id, topic, partition, key, headers, value FROM outbox
WHERE bucket = ANY ($1) AND outbox_id > $2 ORDER BY outbox_id LIMIT $3

-- name: forget_events
-- $1 bigint[]: what the broker has acknowledged
DELETE FROM outbox WHERE outbox_id = ANY ($1)

-- name: age
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(written_at)), 0)::float8 AS outbox,
       (SELECT count(*) FROM quarantine WHERE released_at IS NULL) AS held
FROM (SELECT written_at FROM outbox ORDER BY outbox_id LIMIT 1) AS oldest
