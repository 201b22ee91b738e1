-- name: share_real_clock
-- $1 text[]: merchants that are live
INSERT INTO merchant_clocks (merchant_id, clock_id)
SELECT merchant_id, 0 FROM unnest($1::text[]) AS live (merchant_id)
ON CONFLICT DO NOTHING

-- name: has_own_clock
-- $1 text: the merchant
SELECT count(*) FROM merchant_clocks WHERE merchant_id = $1 AND clock_id <> 0

-- name: start_clock
-- $1 text: the merchant, $2 timestamptz: real origin, $3 timestamptz: merchant origin, $4 float8: rate,
-- $5 bigint: the setting's version
WITH clock AS (
    INSERT INTO clocks (origin_real, origin_merchant, rate, version) VALUES ($2, $3, $4, $5) RETURNING clock_id
)
INSERT INTO merchant_clocks (merchant_id, clock_id) SELECT $1, clock_id FROM clock
ON CONFLICT DO NOTHING

-- name: set_clock
-- $1 text: the merchant, $2 timestamptz: real origin, $3 timestamptz: merchant origin, $4 float8: rate,
-- $5 bigint: the setting's version; a lower one changes nothing
UPDATE clocks SET origin_real = $2, origin_merchant = $3, rate = $4, version = $5
FROM merchant_clocks
WHERE merchant_clocks.merchant_id = $1 AND clocks.clock_id = merchant_clocks.clock_id
  AND clocks.clock_id <> 0 AND clocks.version <= $5
