-- name: begin
-- Start a cursor for each enabled account that has none, at its merchant's present instant
INSERT INTO event_cursors (account_id, merchant_id, read_up_to, looked_at)
SELECT o.account_id, o.merchant_id, m.now, m.now
FROM account_owners o
JOIN (SELECT mc.merchant_id, c.origin_merchant + (clock_timestamp() - c.origin_real) * c.rate AS now
      FROM merchant_clocks mc JOIN clocks c USING (clock_id)) AS m USING (merchant_id)
WHERE o.enabled AND NOT EXISTS (SELECT FROM event_cursors e WHERE e.account_id = o.account_id)
ON CONFLICT DO NOTHING

-- name: claim
-- $1 int: how many at the most, $2 interval: merchant's time between looks, $3 interval: lease, real time
WITH due AS (
    SELECT e.account_id, c.rate, c.origin_merchant + (clock_timestamp() - c.origin_real) * c.rate AS now
    FROM event_cursors e
    JOIN account_owners o ON o.account_id = e.account_id AND o.enabled
    JOIN merchant_clocks mc ON mc.merchant_id = e.merchant_id
    JOIN clocks c ON c.clock_id = mc.clock_id
    WHERE e.not_before <= now()
      AND e.looked_at + $2 <= c.origin_merchant + (clock_timestamp() - c.origin_real) * c.rate
    ORDER BY e.not_before LIMIT $1
    FOR UPDATE OF e SKIP LOCKED
)
UPDATE event_cursors SET not_before = now() + $3
FROM due WHERE event_cursors.account_id = due.account_id
RETURNING event_cursors.account_id, event_cursors.merchant_id, read_up_to, failures, due.rate, due.now AS looked_at

-- name: hold
-- $1 text: account, $2 interval: lease, real time
UPDATE event_cursors SET not_before = now() + $2 WHERE account_id = $1

-- name: advance
-- $1 text: account, $2 timestamptz: read up to, $3 timestamptz: looked at, merchant's time, $4 interval: rest, real
UPDATE event_cursors SET read_up_to = greatest(read_up_to, $2), looked_at = $3, not_before = now() + $4, failures = 0
WHERE account_id = $1

-- name: fail
-- $1 text: account, $2 interval: rest, real time
UPDATE event_cursors SET failures = failures + 1, not_before = now() + $2 WHERE account_id = $1

-- name: age
-- Merchant's seconds since the list that was longest not read to its end was read so
SELECT coalesce(max(extract(epoch FROM
    c.origin_merchant + (clock_timestamp() - c.origin_real) * c.rate - e.looked_at)), 0)::float8
FROM event_cursors e
JOIN account_owners o ON o.account_id = e.account_id AND o.enabled
JOIN merchant_clocks mc ON mc.merchant_id = e.merchant_id
JOIN clocks c ON c.clock_id = mc.clock_id
