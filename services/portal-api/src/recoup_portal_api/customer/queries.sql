-- name: add_action
-- $1 text: merchant, $2 uuid: action, $3 uuid: case, $4 text: card_session or payment,
-- $5 text: card session or attempt, $6 text: invoice or null, $7 int: place from 0, $8 timestamptz: now (real)
INSERT INTO customer_actions (merchant_id, action_id, case_id, kind, reference, invoice_id, place, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: actions
-- $1 text: merchant, $2 uuid: case, $3 uuid: action
SELECT kind, reference, invoice_id FROM customer_actions
WHERE merchant_id = $1 AND case_id = $2 AND action_id = $3 ORDER BY place

-- name: action_of_card_session
-- $1 text: merchant, $2 uuid: case, $3 text: card session
SELECT action_id FROM customer_actions
WHERE merchant_id = $1 AND case_id = $2 AND reference = $3 AND kind = 'card_session' LIMIT 1
