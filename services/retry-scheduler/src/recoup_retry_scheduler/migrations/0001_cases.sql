-- Cases, and the facts that they follow from. The first of this service: no old code to survive.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Merchants that ever had a case: ids alone, so that gauges and pruning know whom to look at.
CREATE TABLE merchants (
    merchant_id text PRIMARY KEY
);

-- The merchant's recovery setting, for cases to come.
CREATE TABLE policies (
    merchant_id text PRIMARY KEY,
    version bigint NOT NULL,
    policy jsonb NOT NULL
);

-- One case an invoice. `detail` is the whole case as the domain writes it; columns are what SQL asks about.
CREATE TABLE cases (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    subscription_id text,
    state text NOT NULL,
    waiting_for text,
    failed_at timestamptz NOT NULL,
    resolve_by timestamptz NOT NULL,
    next_try_at timestamptz,
    steps integer NOT NULL,
    position integer NOT NULL,
    tries integer NOT NULL,
    tries_made integer NOT NULL,
    try_id uuid,
    wake_kind text,
    wake_at timestamptz,
    recovered_minor bigint,
    recovered_by text,
    revision bigint NOT NULL,
    detail jsonb NOT NULL,
    PRIMARY KEY (merchant_id, case_id),
    CONSTRAINT cases_state CHECK (state IN (
        'scheduled', 'trying', 'waiting', 'ending', 'recovered', 'ended', 'reversed'
    )),
    CONSTRAINT cases_waiting CHECK ((state = 'waiting') = (waiting_for IS NOT NULL)),
    CONSTRAINT cases_waiting_for CHECK (waiting_for IN ('card', 'customer', 'merchant', 'agreement')),
    CONSTRAINT cases_next_try CHECK (next_try_at IS NULL OR state = 'scheduled'),
    CONSTRAINT cases_one_try CHECK (try_id IS NULL OR state = 'trying'),
    CONSTRAINT cases_one_timer CHECK ((wake_at IS NULL) = (state IN ('recovered', 'ended', 'reversed'))),
    CONSTRAINT cases_timer CHECK ((wake_at IS NULL) = (wake_kind IS NULL)),
    CONSTRAINT cases_timer_kind CHECK (wake_kind IN ('step', 'deadline', 'watchdog', 'held', 'settle')),
    CONSTRAINT cases_recovered CHECK (state <> 'recovered' OR (recovered_minor >= 0 AND recovered_by IS NOT NULL)),
    CONSTRAINT cases_recovered_by CHECK (recovered_by IS NULL OR state = 'recovered'),
    CONSTRAINT cases_ladder CHECK (position BETWEEN 0 AND steps),
    CONSTRAINT cases_tries CHECK (tries_made BETWEEN 0 AND tries),
    CONSTRAINT cases_deadline CHECK (resolve_by > failed_at),
    CONSTRAINT cases_revision CHECK (revision >= 0)
);
CREATE UNIQUE INDEX cases_invoice ON cases (merchant_id, account_id, invoice_id);
CREATE INDEX cases_open ON cases (merchant_id, customer_id)
WHERE state IN ('scheduled', 'trying', 'waiting', 'ending');

-- Every charge that we know of, whoever made it, once a fact. Inserted, never updated.
CREATE TABLE charges (
    merchant_id text NOT NULL,
    fact_id uuid NOT NULL,
    account_id text NOT NULL,
    invoice_id text,
    charge_id text,
    outcome text NOT NULL,
    at timestamptz NOT NULL,
    -- The declined card's fingerprint, or its own id; null where nothing counts towards a network's limit.
    declined_mark text,
    fact jsonb NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, fact_id),
    CONSTRAINT charges_outcome CHECK (outcome IN ('failed', 'succeeded')),
    CONSTRAINT charges_declined CHECK (declined_mark IS NULL OR outcome = 'failed')
);
CREATE INDEX charges_invoice ON charges (merchant_id, account_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX charges_charge ON charges (merchant_id, account_id, charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX charges_declined_mark ON charges (merchant_id, declined_mark, at) WHERE declined_mark IS NOT NULL;
CREATE INDEX charges_known_at ON charges USING brin (known_at);

-- What went back. Inserted, never updated.
CREATE TABLE reversals (
    merchant_id text NOT NULL,
    fact_id uuid NOT NULL,
    account_id text NOT NULL,
    invoice_id text,
    charge_id text,
    fact jsonb NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, fact_id)
);
CREATE INDEX reversals_invoice ON reversals (merchant_id, account_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX reversals_charge ON reversals (merchant_id, account_id, charge_id) WHERE charge_id IS NOT NULL;

-- One row an edition of a card: the same card with another expiry is another. What is dead or removed stays so.
CREATE TABLE cards (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    instrument_id text NOT NULL,
    fingerprint text NOT NULL,
    expiry text NOT NULL,
    edition jsonb NOT NULL,
    PRIMARY KEY (merchant_id, customer_id, account_id, instrument_id, fingerprint, expiry)
);

-- What is known of invoices besides their charges.
CREATE TABLE invoices (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    invoice_id text NOT NULL,
    facts jsonb NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, account_id, invoice_id)
);
CREATE INDEX invoices_known_at ON invoices USING brin (known_at);

-- The newest known status of each subscription.
CREATE TABLE subscriptions (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    subscription_id text NOT NULL,
    facts jsonb NOT NULL,
    PRIMARY KEY (merchant_id, account_id, subscription_id)
);

ALTER TABLE policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON policies USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
ALTER TABLE cases FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cases USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE charges ENABLE ROW LEVEL SECURITY;
ALTER TABLE charges FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON charges USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE reversals ENABLE ROW LEVEL SECURITY;
ALTER TABLE reversals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reversals USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE cards ENABLE ROW LEVEL SECURITY;
ALTER TABLE cards FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cards USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invoices USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscriptions USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
