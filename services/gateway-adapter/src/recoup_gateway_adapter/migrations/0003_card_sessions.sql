-- Card sessions: a customer enters a new card on the gateway's page, and it settles the invoices named at once.
-- Old code survives it: only a new table, which it does not know.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Instants are real time. `gateway_session_id`: null until the gateway has opened its page.
CREATE TABLE card_sessions (
    merchant_id text NOT NULL,
    card_session_id uuid NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    gateway_session_id text,
    state text NOT NULL,
    invoice_ids text[] NOT NULL,
    return_url text NOT NULL,
    cancel_url text NOT NULL,
    instrument_id text,
    opened_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (merchant_id, card_session_id),
    CONSTRAINT card_sessions_gateways UNIQUE (account_id, gateway_session_id),
    CONSTRAINT card_sessions_state CHECK (state IN ('open', 'completed', 'expired')),
    CONSTRAINT card_sessions_ended CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT card_sessions_card CHECK (state <> 'completed' OR instrument_id IS NOT NULL),
    CONSTRAINT card_sessions_invoices CHECK (cardinality(invoice_ids) <= 100)
);
CREATE INDEX card_sessions_open ON card_sessions (account_id, customer_id, ends_at) WHERE state = 'open';
ALTER TABLE card_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE card_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON card_sessions USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
