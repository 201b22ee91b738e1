-- The first tables of portal-api. Nothing older runs against this database, so there is no old code to survive.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Every merchant there is. Plumbing: the HTTP role can't see it, republish and create-merchant can.
CREATE TABLE merchants (
    merchant_id text PRIMARY KEY CHECK (merchant_id ~ '^[a-zA-Z0-9_-]{3,64}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The source of truth of every setting: its newest version. changed_at is the merchant's time.
CREATE TABLE settings (
    merchant_id text NOT NULL,
    setting text NOT NULL CHECK (length(setting) BETWEEN 1 AND 255),
    version bigint NOT NULL CHECK (version >= 1),
    value jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, setting)
);

-- Merchant time that a sandbox clock has yet to be moved on, in steps; next_step_at is real time.
CREATE TABLE clock_advances (
    merchant_id text PRIMARY KEY,
    remaining interval NOT NULL CHECK (remaining >= interval '0'),
    next_step_at timestamptz NOT NULL
);

-- API keys: 32 random bytes, of which only the SHA-256 is kept. Times are real.
CREATE TABLE api_keys (
    merchant_id text NOT NULL,
    key_id uuid NOT NULL,
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (merchant_id, key_id)
);

-- Who changed what. Written once, never changed. `at` is real time; no secret ever gets here.
CREATE TABLE audit_log (
    merchant_id text NOT NULL,
    entry_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb,
    PRIMARY KEY (merchant_id, entry_id)
);

-- Links of sign-in mails: single use, deleted by the one who uses them. Times are real.
CREATE TABLE sign_in_tokens (
    merchant_id text NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    contact_hash bytea NOT NULL CHECK (octet_length(contact_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    PRIMARY KEY (merchant_id, token_hash)
);
CREATE INDEX sign_in_tokens_contact ON sign_in_tokens (merchant_id, contact_hash, created_at);

-- Signed-in customers. A session belongs to an address (its keyed hash), not to a customer. Times are real.
CREATE TABLE sessions (
    merchant_id text NOT NULL,
    session_hash bytea NOT NULL CHECK (octet_length(session_hash) = 32),
    contact_hash bytea NOT NULL CHECK (octet_length(contact_hash) = 32),
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    PRIMARY KEY (merchant_id, session_hash)
);

-- What a customer began on a page, so that its result is shown to the same page only. `at` is real time.
CREATE TABLE customer_actions (
    merchant_id text NOT NULL,
    action_id uuid NOT NULL,
    case_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('card_session', 'payment')),
    reference text NOT NULL,
    invoice_id text,
    place integer NOT NULL CHECK (place >= 0),
    at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, action_id, place)
);
CREATE INDEX customer_actions_reference ON customer_actions (merchant_id, case_id, reference);

-- Read model: recovery cases, by their highest revision. Times are the merchant's.
CREATE TABLE cases (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    revision bigint NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    invoice_number text,
    subscription_id text,
    owed_minor bigint NOT NULL CHECK (owed_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    instrument jsonb,
    state text NOT NULL,
    transition text NOT NULL,
    reason text NOT NULL,
    failed_at timestamptz NOT NULL,
    resolve_by timestamptz NOT NULL,
    next_try_at timestamptz,
    waiting_for text,
    final_action text NOT NULL,
    decline_code text,
    decline_class text,
    decline_action text,
    masked boolean NOT NULL,
    tries_made bigint NOT NULL,
    tries_planned bigint NOT NULL,
    recovered_minor bigint,
    recovered_currency text,
    recovered_by text,
    changed_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (merchant_id, case_id),
    CONSTRAINT cases_closed CHECK ((closed_at IS NOT NULL) = (state IN ('recovered', 'ended', 'reversed')))
);
CREATE INDEX cases_newest ON cases (merchant_id, failed_at DESC, case_id DESC);
CREATE INDEX cases_by_state ON cases (merchant_id, state, failed_at DESC, case_id DESC);
CREATE INDEX cases_of_customer ON cases (merchant_id, account_id, customer_id) WHERE closed_at IS NULL;

-- Read model: what happened, one row an event. Without a case it concerns all the customer's cases of its time.
CREATE TABLE timeline (
    merchant_id text NOT NULL,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL,
    what text NOT NULL,
    case_id uuid,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    details jsonb NOT NULL,
    PRIMARY KEY (merchant_id, event_id)
);
CREATE INDEX timeline_of_case ON timeline (merchant_id, case_id, at) WHERE case_id IS NOT NULL;
CREATE INDEX timeline_of_customer ON timeline (merchant_id, account_id, customer_id, at) WHERE case_id IS NULL;

-- Read model: invoices by their highest version.
CREATE TABLE invoices (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    invoice_id text NOT NULL,
    version bigint NOT NULL,
    customer_id text NOT NULL,
    number text,
    subscription_id text,
    status text NOT NULL,
    owed_minor bigint NOT NULL CHECK (owed_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (merchant_id, account_id, invoice_id)
);

-- Read model: subscriptions by their highest version.
CREATE TABLE subscriptions (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    subscription_id text NOT NULL,
    version bigint NOT NULL,
    customer_id text NOT NULL,
    status text NOT NULL,
    description text,
    PRIMARY KEY (merchant_id, account_id, subscription_id)
);

-- Read model: who a customer is to us: a keyed hash of the address, and the language. No address, no name.
CREATE TABLE customers (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    version bigint NOT NULL,
    contact_hash bytea CHECK (octet_length(contact_hash) = 32),
    locale text,
    PRIMARY KEY (merchant_id, account_id, customer_id)
);
CREATE INDEX customers_contact ON customers (merchant_id, contact_hash) WHERE contact_hash IS NOT NULL;

-- Nobody sees a row of a merchant whom the transaction does not name.
DO $$
DECLARE
    tenant text;
BEGIN
    FOREACH tenant IN ARRAY ARRAY[
        'settings', 'clock_advances', 'api_keys', 'audit_log', 'sign_in_tokens', 'sessions', 'customer_actions',
        'cases', 'timeline', 'invoices', 'subscriptions', 'customers'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]))', tenant
        );
    END LOOP;
END $$;

-- Two questions come before the merchant is known. Only these functions, which run as the owner, may look.
CREATE POLICY find_api_key ON api_keys FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY due_clock_advances ON clock_advances FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY purge ON sign_in_tokens FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY purge ON sessions FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY purge ON customer_actions FOR ALL TO CURRENT_USER USING (true);

CREATE FUNCTION find_api_key(wanted bytea) RETURNS TABLE (merchant_id text, key_id uuid, key_hash bytea)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT k.merchant_id, k.key_id, k.key_hash FROM api_keys k
        WHERE k.key_hash = wanted AND k.revoked_at IS NULL;
    END;

CREATE FUNCTION due_clock_advances() RETURNS SETOF text
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT a.merchant_id FROM clock_advances a
        WHERE a.remaining > interval '0' AND a.next_step_at <= clock_timestamp()
        ORDER BY a.next_step_at LIMIT 100;
    END;

CREATE FUNCTION purge_expired() RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        WITH tokens AS (
            DELETE FROM sign_in_tokens WHERE expires_at < clock_timestamp() - interval '1 hour' RETURNING 1
        ), gone AS (
            DELETE FROM sessions WHERE expires_at < clock_timestamp() RETURNING 1
        ), actions AS (
            DELETE FROM customer_actions WHERE at < clock_timestamp() - interval '90 days' RETURNING 1
        )
        SELECT (SELECT count(*) FROM tokens) + (SELECT count(*) FROM gone) + (SELECT count(*) FROM actions);
    END;

REVOKE ALL ON FUNCTION find_api_key(bytea), due_clock_advances(), purge_expired() FROM PUBLIC;

DO $$
DECLARE
    app text := nullif(current_setting('recoup.role_app', true), '');
    http text := nullif(current_setting('recoup.role_http', true), '');
BEGIN
    IF app IS NOT NULL THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION due_clock_advances(), purge_expired() TO %I', app);
        EXECUTE format('REVOKE UPDATE, DELETE ON audit_log FROM %I', app);
    END IF;
    IF http IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', http);
        EXECUTE format('GRANT SELECT ON clocks, merchant_clocks, relay_buckets TO %I', http);
        EXECUTE format('GRANT INSERT ON outbox TO %I', http);
        EXECUTE format('GRANT SELECT, INSERT ON audit_log, customer_actions TO %I', http);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON settings, clock_advances, api_keys TO %I', http);
        EXECUTE format('GRANT SELECT, INSERT, DELETE ON sign_in_tokens TO %I', http);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO %I', http);
        EXECUTE format('GRANT SELECT ON cases, timeline, invoices, subscriptions, customers TO %I', http);
        EXECUTE format('GRANT EXECUTE ON FUNCTION find_api_key(bytea) TO %I', http);
    END IF;
END $$;
