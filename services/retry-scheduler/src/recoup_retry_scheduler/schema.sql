-- What the migrations add up to. Written by `make schema`, held by a test; read it, don't run it.
-- The chassis' tables stand in its own schema.sql.

CREATE TABLE cards (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    instrument_id text NOT NULL,
    fingerprint text NOT NULL,
    expiry text NOT NULL,
    edition jsonb NOT NULL
);

ALTER TABLE ONLY cards FORCE ROW LEVEL SECURITY;

CREATE TABLE cases (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    subscription_id text,
    state text NOT NULL,
    waiting_for text,
    failed_at timestamp with time zone NOT NULL,
    resolve_by timestamp with time zone NOT NULL,
    next_try_at timestamp with time zone,
    steps integer NOT NULL,
    "position" integer NOT NULL,
    tries integer NOT NULL,
    tries_made integer NOT NULL,
    try_id uuid,
    wake_kind text,
    wake_at timestamp with time zone,
    recovered_minor bigint,
    recovered_by text,
    revision bigint NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT cases_deadline CHECK ((resolve_by > failed_at)),
    CONSTRAINT cases_ladder CHECK ((("position" >= 0) AND ("position" <= steps))),
    CONSTRAINT cases_next_try CHECK (((next_try_at IS NULL) OR (state = 'scheduled'::text))),
    CONSTRAINT cases_one_timer CHECK (((wake_at IS NULL) = (state = ANY (ARRAY['recovered'::text, 'ended'::text, 'reversed'::text])))),
    CONSTRAINT cases_one_try CHECK (((try_id IS NULL) OR (state = 'trying'::text))),
    CONSTRAINT cases_recovered CHECK (((state <> 'recovered'::text) OR ((recovered_minor >= 0) AND (recovered_by IS NOT NULL)))),
    CONSTRAINT cases_recovered_by CHECK (((recovered_by IS NULL) OR (state = 'recovered'::text))),
    CONSTRAINT cases_revision CHECK ((revision >= 0)),
    CONSTRAINT cases_state CHECK ((state = ANY (ARRAY['scheduled'::text, 'trying'::text, 'waiting'::text, 'ending'::text, 'recovered'::text, 'ended'::text, 'reversed'::text]))),
    CONSTRAINT cases_timer CHECK (((wake_at IS NULL) = (wake_kind IS NULL))),
    CONSTRAINT cases_timer_kind CHECK ((wake_kind = ANY (ARRAY['step'::text, 'deadline'::text, 'watchdog'::text, 'held'::text, 'settle'::text]))),
    CONSTRAINT cases_tries CHECK (((tries_made >= 0) AND (tries_made <= tries))),
    CONSTRAINT cases_waiting CHECK (((state = 'waiting'::text) = (waiting_for IS NOT NULL))),
    CONSTRAINT cases_waiting_for CHECK ((waiting_for = ANY (ARRAY['card'::text, 'customer'::text, 'merchant'::text, 'agreement'::text])))
);

ALTER TABLE ONLY cases FORCE ROW LEVEL SECURITY;

CREATE TABLE charges (
    merchant_id text NOT NULL,
    fact_id uuid NOT NULL,
    account_id text NOT NULL,
    invoice_id text,
    charge_id text,
    outcome text NOT NULL,
    at timestamp with time zone NOT NULL,
    declined_mark text,
    fact jsonb NOT NULL,
    known_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT charges_declined CHECK (((declined_mark IS NULL) OR (outcome = 'failed'::text))),
    CONSTRAINT charges_outcome CHECK ((outcome = ANY (ARRAY['failed'::text, 'succeeded'::text])))
);

ALTER TABLE ONLY charges FORCE ROW LEVEL SECURITY;

CREATE TABLE customer_charges (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    at timestamp with time zone NOT NULL,
    fact_id uuid NOT NULL,
    invoice_id text,
    declined text,
    funding text,
    known_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY customer_charges FORCE ROW LEVEL SECURITY;

CREATE TABLE invoices (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    invoice_id text NOT NULL,
    facts jsonb NOT NULL,
    known_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY invoices FORCE ROW LEVEL SECURITY;

CREATE TABLE merchants (
    merchant_id text NOT NULL
);

CREATE TABLE policies (
    merchant_id text NOT NULL,
    version bigint NOT NULL,
    policy jsonb NOT NULL,
    open_version bigint,
    open_policy jsonb
);

ALTER TABLE ONLY policies FORCE ROW LEVEL SECURITY;

CREATE TABLE policy_spreads (
    merchant_id text NOT NULL,
    after_customer_id text NOT NULL
);

CREATE TABLE reversals (
    merchant_id text NOT NULL,
    fact_id uuid NOT NULL,
    account_id text NOT NULL,
    invoice_id text,
    charge_id text,
    fact jsonb NOT NULL,
    known_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY reversals FORCE ROW LEVEL SECURITY;

CREATE TABLE subscriptions (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    subscription_id text NOT NULL,
    facts jsonb NOT NULL
);

ALTER TABLE ONLY subscriptions FORCE ROW LEVEL SECURITY;

CREATE TABLE zones (
    merchant_id text NOT NULL,
    version bigint NOT NULL,
    zone text NOT NULL
);

ALTER TABLE ONLY zones FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY cards
    ADD CONSTRAINT cards_pkey PRIMARY KEY (merchant_id, customer_id, account_id, instrument_id, fingerprint, expiry);

ALTER TABLE ONLY cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (merchant_id, case_id);

ALTER TABLE ONLY charges
    ADD CONSTRAINT charges_pkey PRIMARY KEY (merchant_id, fact_id);

ALTER TABLE ONLY customer_charges
    ADD CONSTRAINT customer_charges_pkey PRIMARY KEY (merchant_id, account_id, customer_id, at, fact_id);

ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (merchant_id, account_id, invoice_id);

ALTER TABLE ONLY merchants
    ADD CONSTRAINT merchants_pkey PRIMARY KEY (merchant_id);

ALTER TABLE ONLY policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (merchant_id);

ALTER TABLE ONLY policy_spreads
    ADD CONSTRAINT policy_spreads_pkey PRIMARY KEY (merchant_id);

ALTER TABLE ONLY reversals
    ADD CONSTRAINT reversals_pkey PRIMARY KEY (merchant_id, fact_id);

ALTER TABLE ONLY subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (merchant_id, account_id, subscription_id);

ALTER TABLE ONLY zones
    ADD CONSTRAINT zones_pkey PRIMARY KEY (merchant_id);

CREATE UNIQUE INDEX cases_invoice ON cases USING btree (merchant_id, account_id, invoice_id);

CREATE INDEX cases_open ON cases USING btree (merchant_id, customer_id) WHERE (state = ANY (ARRAY['scheduled'::text, 'trying'::text, 'waiting'::text, 'ending'::text]));

CREATE INDEX charges_charge ON charges USING btree (merchant_id, account_id, charge_id) WHERE (charge_id IS NOT NULL);

CREATE INDEX charges_declined_mark ON charges USING btree (merchant_id, declined_mark, at) WHERE (declined_mark IS NOT NULL);

CREATE INDEX charges_invoice ON charges USING btree (merchant_id, account_id, invoice_id) WHERE (invoice_id IS NOT NULL);

CREATE INDEX charges_known_at ON charges USING brin (known_at);

CREATE INDEX customer_charges_known_at ON customer_charges USING brin (known_at);

CREATE INDEX invoices_known_at ON invoices USING brin (known_at);

CREATE INDEX reversals_charge ON reversals USING btree (merchant_id, account_id, charge_id) WHERE (charge_id IS NOT NULL);

CREATE INDEX reversals_invoice ON reversals USING btree (merchant_id, account_id, invoice_id) WHERE (invoice_id IS NOT NULL);

ALTER TABLE cards ENABLE ROW LEVEL SECURITY;

ALTER TABLE cases ENABLE ROW LEVEL SECURITY;

ALTER TABLE charges ENABLE ROW LEVEL SECURITY;

ALTER TABLE customer_charges ENABLE ROW LEVEL SECURITY;

ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;

ALTER TABLE policies ENABLE ROW LEVEL SECURITY;

ALTER TABLE reversals ENABLE ROW LEVEL SECURITY;

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON cards USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON cases USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON charges USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON customer_charges USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON invoices USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON policies USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON reversals USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON subscriptions USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON zones USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

ALTER TABLE zones ENABLE ROW LEVEL SECURITY;
