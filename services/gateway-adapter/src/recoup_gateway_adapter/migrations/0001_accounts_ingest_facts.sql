-- Accounts, raw webhooks, references to gateway objects. The first of this service: no old code to survive.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- --- accounts ------------------------------------------------------------------------------------------------

-- Which account is whose: plumbing, read before anybody knows the merchant. Ids are unique over all merchants,
-- because they stand in the address to which a gateway posts.
CREATE TABLE account_owners (
    account_id text PRIMARY KEY CHECK (account_id ~ '^[a-zA-Z0-9_-]{3,64}$'),
    merchant_id text NOT NULL,
    gateway text NOT NULL,
    enabled boolean NOT NULL DEFAULT true
);

CREATE TABLE accounts (
    account_id text PRIMARY KEY REFERENCES account_owners,
    merchant_id text NOT NULL,
    name text NOT NULL,
    livemode boolean NOT NULL,
    base_url text,
    api_version text,
    collection_paused boolean NOT NULL DEFAULT false,
    api_key_sealed bytea NOT NULL,
    webhook_secret_sealed bytea NOT NULL,
    old_webhook_secret_sealed bytea,
    old_webhook_secret_until timestamptz,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_old_secret_ends
        CHECK ((old_webhook_secret_sealed IS NULL) = (old_webhook_secret_until IS NULL))
);
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON accounts USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

-- A merchant's settings as far as this service acts on them: stop, recovery, account/….
CREATE TABLE merchant_settings (
    merchant_id text NOT NULL,
    setting text NOT NULL,
    version bigint NOT NULL,
    value jsonb NOT NULL,
    PRIMARY KEY (merchant_id, setting)
);
ALTER TABLE merchant_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE merchant_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON merchant_settings USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

-- The operator's stop switch for all merchants: one row.
CREATE TABLE stop_everything (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    stopped boolean NOT NULL
);
INSERT INTO stop_everything (stopped) VALUES (false);

-- --- ingest: plumbing, out of reach of any HTTP role ---------------------------------------------------------

CREATE TABLE raw_webhooks (
    raw_webhook_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    webhook_id text NOT NULL,
    event_at timestamptz NOT NULL,
    event_type text NOT NULL,
    customer_id text,
    body bytea NOT NULL CHECK (octet_length(body) <= 524288),
    arrived_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT raw_webhooks_once UNIQUE (account_id, webhook_id, event_at)
);
CREATE INDEX raw_webhooks_arrived_at ON raw_webhooks USING brin (arrived_at);
CREATE INDEX raw_webhooks_customer ON raw_webhooks (account_id, customer_id) WHERE customer_id IS NOT NULL;

-- What waits to be translated; inserted and deleted.
CREATE TABLE untranslated (
    raw_webhook_id bigint PRIMARY KEY REFERENCES raw_webhooks ON DELETE CASCADE,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0)
);
CREATE INDEX untranslated_due ON untranslated (due_at);

-- What could not be translated; a person looks, and may have it translated again.
CREATE TABLE set_aside (
    raw_webhook_id bigint PRIMARY KEY REFERENCES raw_webhooks ON DELETE CASCADE,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX set_aside_merchant ON set_aside (merchant_id);

-- --- facts ---------------------------------------------------------------------------------------------------

-- What is remembered of each gateway object: references to join messengers by, and the record itself.
CREATE TABLE gateway_objects (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    kind text NOT NULL CHECK (
        kind IN ('charge', 'intent', 'invoice', 'failure', 'instrument', 'customer', 'subscription', 'reversal')
    ),
    object_id text NOT NULL,
    invoice_id text,
    payment_intent_id text,
    charge_id text,
    version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    record jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, object_id, kind)
);
CREATE INDEX gateway_objects_invoice ON gateway_objects (account_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX gateway_objects_intent ON gateway_objects (account_id, payment_intent_id)
    WHERE payment_intent_id IS NOT NULL;
CREATE INDEX gateway_objects_charge ON gateway_objects (account_id, charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX gateway_objects_snapshot ON gateway_objects (account_id, kind, object_id) WHERE version > 0;
ALTER TABLE gateway_objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_objects FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON gateway_objects USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

-- Facts that wait for a twin, in real time; ids alone, so that a loop may look over all merchants.
CREATE TABLE joins (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    due_at timestamptz NOT NULL,
    waiting_since timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    PRIMARY KEY (account_id, kind, subject)
);
CREATE INDEX joins_due ON joins (due_at);

-- How far the gateway's own event list was read, in the gateway's time; when it is looked at again, in real time
-- and, because a look is due each hour of the merchant's, in the merchant's.
CREATE TABLE event_cursors (
    account_id text PRIMARY KEY REFERENCES account_owners,
    merchant_id text NOT NULL,
    read_up_to timestamptz NOT NULL,
    looked_at timestamptz NOT NULL,
    not_before timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0)
);
