-- name: add
-- $1: merchant, $2: session, $3: account, $4: customer, $5 text[]: invoices, $6: return to, $7: cancel to,
-- $8: ends (real time)
INSERT INTO card_sessions (merchant_id, card_session_id, account_id, customer_id, state, invoice_ids, return_url,
    cancel_url, ends_at)
VALUES ($1, $2, $3, $4, 'open', $5, $6, $7, $8)

-- name: opened
-- $1: merchant, $2: session, $3: the gateway's session, $4: ends (real time)
UPDATE card_sessions SET gateway_session_id = $3, ends_at = $4
WHERE merchant_id = $1 AND card_session_id = $2 AND state = 'open'

-- name: get
-- $1: merchant, $2: session
SELECT * FROM card_sessions WHERE merchant_id = $1 AND card_session_id = $2

-- name: lock
-- $1: merchant, $2: session
SELECT * FROM card_sessions WHERE merchant_id = $1 AND card_session_id = $2 FOR UPDATE

-- name: of_gateway
-- $1: account, $2: the gateway's session
SELECT * FROM card_sessions WHERE account_id = $1 AND gateway_session_id = $2

-- name: end_session
-- $1: merchant, $2: session, $3: state, $4: the new card
UPDATE card_sessions SET state = $3, instrument_id = $4, ended_at = now()
WHERE merchant_id = $1 AND card_session_id = $2 AND state = 'open'

-- name: choosing
-- $1: account, $2 text[]: customers, $3: now (real time)
SELECT DISTINCT customer_id FROM card_sessions
WHERE account_id = $1 AND customer_id = ANY ($2::text[]) AND state = 'open' AND ends_at > $3
  AND gateway_session_id IS NOT NULL
