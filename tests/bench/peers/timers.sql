-- How each scheduler's timers are put into its tables, and which of them are not yet done.
-- Numbers from 1 are the ones that are measured, from 1,000,000 the ones to warm up with, from 10,000,000 the
-- ones that stay pending.
--
-- arm_<peer>: $1 bigint: the number before the first, $2 int: how many, $3 timestamptz: when the first is due,
-- $4 float8: seconds from one to the next, $5 float8: days over which they are scattered at random on top of that
-- open_<peer>: $1 bigint: the first, $2 bigint: the last, $3 timestamptz: when the last one is due; gives the
-- numbers that are not durably done, by an index each, so that looking doesn't slow down what is measured

-- name: arm_recoup
INSERT INTO timers (clock_id, merchant_id, customer_id, kind, subject, due_at)
SELECT 0, 'm_' || n % 100, 'cus_' || n, 'tick', n::text,
       $3::timestamptz + make_interval(secs => (n - $1 - 1) * $4::float8 + random() * $5::float8 * 86400)
FROM generate_series($1::bigint + 1, $1 + $2::int) AS n

-- name: hold_recoup
-- The rows that customers are locked by, and the merchants' clock; $1 bigint, $2 int as above
WITH known AS (
    INSERT INTO merchant_clocks (merchant_id, clock_id) SELECT 'm_' || m, 0 FROM generate_series(0, 99) AS m
    ON CONFLICT DO NOTHING
)
INSERT INTO customer_locks (merchant_id, customer_id)
SELECT 'm_' || n % 100, 'cus_' || n FROM generate_series($1::bigint + 1, $1 + $2::int) AS n

-- name: open_recoup
SELECT subject::bigint AS number FROM timers
WHERE clock_id = 0 AND due_at <= $3::timestamptz AND subject::bigint BETWEEN $1::bigint AND $2::bigint

-- name: arm_river
INSERT INTO river_job (state, args, kind, scheduled_at, max_attempts)
SELECT 'scheduled', jsonb_build_object('number', n), 'tick',
       $3::timestamptz + make_interval(secs => (n - $1 - 1) * $4::float8 + random() * $5::float8 * 86400), 25
FROM generate_series($1::bigint + 1, $1 + $2::int) AS n

-- name: open_river
SELECT (args ->> 'number')::bigint AS number FROM river_job
WHERE state IN ('available', 'scheduled', 'running', 'retryable') AND queue = 'default' AND priority = 1
  AND scheduled_at <= $3::timestamptz AND (args ->> 'number')::bigint BETWEEN $1::bigint AND $2::bigint

-- name: arm_db_scheduler
INSERT INTO scheduled_tasks (task_name, task_instance, execution_time, picked, version)
SELECT 'tick', n::text,
       $3::timestamptz + make_interval(secs => (n - $1 - 1) * $4::float8 + random() * $5::float8 * 86400), false, 1
FROM generate_series($1::bigint + 1, $1 + $2::int) AS n

-- name: open_db_scheduler
SELECT task_instance::bigint AS number FROM scheduled_tasks
WHERE execution_time <= $3::timestamptz AND task_instance::bigint BETWEEN $1::bigint AND $2::bigint

-- name: arm_pg_boss
INSERT INTO pgboss.job (name, data, start_after, policy, expire_seconds, keep_until)
SELECT 'tick', jsonb_build_object('number', n), due, 'standard', queue.expire_seconds, due + interval '14 days'
FROM pgboss.queue, generate_series($1::bigint + 1, $1 + $2::int) AS n,
     LATERAL (SELECT $3::timestamptz
                     + make_interval(secs => (n - $1 - 1) * $4::float8 + random() * $5::float8 * 86400) AS due) AS d
WHERE queue.name = 'tick'

-- name: open_pg_boss
SELECT (data ->> 'number')::bigint AS number FROM pgboss.job
WHERE name = 'tick' AND state IN ('created', 'retry', 'active') AND NOT blocked
  AND start_after <= $3::timestamptz AND (data ->> 'number')::bigint BETWEEN $1::bigint AND $2::bigint

-- name: arm_procrastinate
INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)
SELECT 'default', 'tick', jsonb_build_object('number', n),
       $3::timestamptz + make_interval(secs => (n - $1 - 1) * $4::float8 + random() * $5::float8 * 86400)
FROM generate_series($1::bigint + 1, $1 + $2::int) AS n

-- name: open_procrastinate
-- The newest by key: nothing indexes when they are due.
SELECT (args ->> 'number')::bigint AS number
FROM (SELECT * FROM procrastinate_jobs ORDER BY id DESC LIMIT $2::bigint - $1::bigint + 1) AS newest
WHERE status IN ('todo', 'doing') AND scheduled_at <= $3::timestamptz
  AND (args ->> 'number')::bigint BETWEEN $1 AND $2
