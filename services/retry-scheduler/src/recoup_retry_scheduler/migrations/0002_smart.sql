-- What the mind wants to know of customers and merchants, and policies that open cases are to follow.
-- Old code survives it: new tables, and columns that may be null, neither of which it knows.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Charges of customers of merchants in mode smart, whatever they were for. Inserted, never updated.
CREATE TABLE customer_charges (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    at timestamptz NOT NULL,
    fact_id uuid NOT NULL,
    invoice_id text,
    -- The class of the decline; null where the charge passed.
    declined text,
    funding text,
    known_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, account_id, customer_id, at, fact_id)
);
CREATE INDEX customer_charges_known_at ON customer_charges USING brin (known_at);

-- Where merchants are: an IANA name.
CREATE TABLE zones (
    merchant_id text PRIMARY KEY,
    version bigint NOT NULL,
    zone text NOT NULL
);

-- The newest policy that open cases are to follow too, with its version.
ALTER TABLE policies ADD COLUMN open_version bigint;
ALTER TABLE policies ADD COLUMN open_policy jsonb;

-- Merchants whose open cases have yet to follow a policy, and the customer up to whom they do: ids alone.
CREATE TABLE policy_spreads (
    merchant_id text PRIMARY KEY,
    after_customer_id text NOT NULL
);

ALTER TABLE customer_charges ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_charges FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON customer_charges USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE zones ENABLE ROW LEVEL SECURITY;
ALTER TABLE zones FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON zones USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
