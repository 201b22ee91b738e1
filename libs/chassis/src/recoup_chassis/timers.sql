-- name: arm
-- $1 text[]: merchants, $2 text[]: customers, $3 text[]: kinds, $4 text[]: subjects, $5 timestamptz[]: due,
-- $6 bool[]: on the real clock
INSERT INTO timers (clock_id, merchant_id, customer_id, kind, subject, due_at)
SELECT CASE WHEN t.on_real_clock THEN 0 ELSE m.clock_id END, t.merchant_id, t.customer_id, t.kind, t.subject, t.due_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bool[])
     AS t (merchant_id, customer_id, kind, subject, due_at, on_real_clock)
JOIN merchant_clocks m USING (merchant_id)

-- name: disarm
-- $1 text[]: merchants, $2 text[]: subjects, in pairs; $3 text[]: kinds, null for every kind
DELETE FROM timers USING unnest($1::text[], $2::text[]) AS gone (merchant_id, subject)
WHERE timers.merchant_id = gone.merchant_id AND timers.subject = gone.subject
  AND ($3::text[] IS NULL OR timers.kind = ANY ($3))

-- name: look
-- $1 text[]: kinds, $2 int: how many at the most, $3 float8: real seconds to look ahead, $4 bigint[]: timers in hand;
-- gives what else is due, and what comes due within them, with the real seconds until then. The bound is stable, as an
-- index needs it.
SELECT timer.*
FROM (
    SELECT clock_id, rate, origin_merchant + (statement_timestamp() - origin_real) * rate AS at FROM clocks
) AS clock,
LATERAL (
    SELECT timer_id, merchant_id, customer_id,
           CASE WHEN due_at <= clock.at THEN 0 ELSE extract(epoch FROM due_at - clock.at) / clock.rate END::float8
           AS due_in
    FROM timers
    WHERE timers.clock_id = clock.clock_id AND timers.due_at <= clock.at + make_interval(secs => $3 * clock.rate)
      AND timers.kind = ANY ($1) AND timers.timer_id <> ALL ($4)
    ORDER BY timers.due_at LIMIT $2
) AS timer
LIMIT $2

-- name: crowd
-- $1 text[]: kinds; the merchants that have something due, the latest first. Steps over each merchant's timers by the
-- index, whatever their number.
WITH RECURSIVE shown AS (
    SELECT clock_id, origin_merchant + (statement_timestamp() - origin_real) * rate AS at FROM clocks
),
merchant AS (
    SELECT clock_id, at, (
        SELECT merchant_id FROM timers WHERE timers.clock_id = shown.clock_id ORDER BY merchant_id LIMIT 1
    ) AS merchant_id
    FROM shown
    UNION ALL
    SELECT clock_id, at, (
        SELECT timers.merchant_id FROM timers
        WHERE timers.clock_id = merchant.clock_id AND timers.merchant_id > merchant.merchant_id
        ORDER BY timers.merchant_id LIMIT 1
    )
    FROM merchant WHERE merchant_id IS NOT NULL
)
SELECT merchant.clock_id, merchant.merchant_id FROM merchant,
LATERAL (
    SELECT due_at FROM timers
    WHERE timers.clock_id = merchant.clock_id AND timers.merchant_id = merchant.merchant_id
      AND timers.due_at <= merchant.at AND timers.kind = ANY ($1)
    ORDER BY timers.due_at LIMIT 1
) AS first
ORDER BY merchant.at - first.due_at DESC

-- name: due_in_turn
-- $1 bigint[]: clocks, $2 text[]: merchants, in pairs, $3 text[]: kinds, $4 int: how many of each merchant at the most,
-- $5 bigint[]: timers in hand, left out
SELECT timer.* FROM (
    SELECT clock_id, merchant_id, origin_merchant + (statement_timestamp() - origin_real) * rate AS at
    FROM unnest($1::bigint[], $2::text[]) AS turn (clock_id, merchant_id) JOIN clocks USING (clock_id)
) AS turn,
LATERAL (
    SELECT clock_id, timer_id, merchant_id, customer_id, due_at FROM timers
    WHERE timers.clock_id = turn.clock_id AND timers.merchant_id = turn.merchant_id
      AND timers.due_at <= turn.at AND timers.kind = ANY ($3)
      AND timers.timer_id <> ALL ($5)
    ORDER BY timers.due_at LIMIT $4
) AS timer

-- name: claim
-- $1 bigint[]: timers, $2 text[]: their merchants, $3 text[]: their customers; holds those customers that nobody else
-- holds, and takes their timers. No join but by an index: the plan is made without knowing how many these are.
WITH mine AS MATERIALIZED (
    SELECT due.timer_id FROM customer_locks
    JOIN unnest($1::bigint[], $2::text[], $3::text[]) AS due (timer_id, merchant_id, customer_id)
        USING (merchant_id, customer_id)
    ORDER BY merchant_id COLLATE "C", customer_id COLLATE "C"
    FOR UPDATE OF customer_locks SKIP LOCKED
)
DELETE FROM timers WHERE timer_id = ANY (ARRAY(SELECT timer_id FROM mine))
RETURNING timer_id, clock_id, merchant_id, customer_id, kind, subject, due_at
