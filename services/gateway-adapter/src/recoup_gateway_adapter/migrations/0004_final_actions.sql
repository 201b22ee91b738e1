-- Final actions: what becomes of a subscription whose recovery failed, asked for once a case.
-- Old code survives it: only a new table, which it does not know.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Instants are real time. `asked_at`: when the gateway was first asked to change anything, saved before it was.
CREATE TABLE final_actions (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    revision bigint NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    subscription_id text,
    action text NOT NULL,
    asked_at timestamptz,
    silences integer NOT NULL DEFAULT 0,
    outcome text,
    detail text,
    ended_at timestamptz,
    PRIMARY KEY (merchant_id, case_id),
    CONSTRAINT final_actions_ended CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT final_actions_outcome CHECK (outcome IN ('done', 'overtaken', 'refused', 'unknown')),
    CONSTRAINT final_actions_counted CHECK (revision >= 0 AND silences >= 0)
);
ALTER TABLE final_actions ENABLE ROW LEVEL SECURITY;
ALTER TABLE final_actions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON final_actions USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
