-- What the migrations add up to. Written by `make schema`, held by a test; read it, don't run it.
-- The chassis' tables stand in its own schema.sql.

CREATE TABLE clock_advances (
    merchant_id text NOT NULL,
    remaining interval NOT NULL,
    next_step_at timestamp with time zone NOT NULL,
    CONSTRAINT clock_advances_remaining_check CHECK ((remaining >= '00:00:00'::interval))
);

ALTER TABLE ONLY clock_advances FORCE ROW LEVEL SECURITY;

CREATE FUNCTION due_clock_advances() RETURNS SETOF text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT a.merchant_id
    FROM clock_advances a
   WHERE ((a.remaining > '00:00:00'::interval) AND (a.next_step_at <= clock_timestamp()))
   ORDER BY a.next_step_at
  LIMIT 100;
END;

CREATE TABLE api_keys (
    merchant_id text NOT NULL,
    key_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 120)))
);

ALTER TABLE ONLY api_keys FORCE ROW LEVEL SECURITY;

CREATE FUNCTION find_api_key(wanted bytea) RETURNS TABLE(merchant_id text, key_id uuid, key_hash bytea)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT k.merchant_id,
     k.key_id,
     k.key_hash
    FROM api_keys k
   WHERE ((k.key_hash = find_api_key.wanted) AND (k.revoked_at IS NULL));
END;

CREATE TABLE customer_actions (
    merchant_id text NOT NULL,
    action_id uuid NOT NULL,
    case_id uuid NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    invoice_id text,
    place integer NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT customer_actions_kind_check CHECK ((kind = ANY (ARRAY['card_session'::text, 'payment'::text]))),
    CONSTRAINT customer_actions_place_check CHECK ((place >= 0))
);

ALTER TABLE ONLY customer_actions FORCE ROW LEVEL SECURITY;

CREATE TABLE sessions (
    merchant_id text NOT NULL,
    session_hash bytea NOT NULL,
    contact_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_check CHECK ((expires_at > created_at)),
    CONSTRAINT sessions_contact_hash_check CHECK ((octet_length(contact_hash) = 32)),
    CONSTRAINT sessions_session_hash_check CHECK ((octet_length(session_hash) = 32))
);

ALTER TABLE ONLY sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE sign_in_tokens (
    merchant_id text NOT NULL,
    token_hash bytea NOT NULL,
    contact_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_tokens_check CHECK ((expires_at > created_at)),
    CONSTRAINT sign_in_tokens_contact_hash_check CHECK ((octet_length(contact_hash) = 32)),
    CONSTRAINT sign_in_tokens_token_hash_check CHECK ((octet_length(token_hash) = 32))
);

ALTER TABLE ONLY sign_in_tokens FORCE ROW LEVEL SECURITY;

CREATE FUNCTION purge_expired() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH tokens AS (
          DELETE FROM sign_in_tokens
           WHERE (sign_in_tokens.expires_at < (clock_timestamp() - '01:00:00'::interval))
           RETURNING 1 AS "?column?"
         ), gone AS (
          DELETE FROM sessions
           WHERE (sessions.expires_at < clock_timestamp())
           RETURNING 1 AS "?column?"
         ), actions AS (
          DELETE FROM customer_actions
           WHERE (customer_actions.at < (clock_timestamp() - '90 days'::interval))
           RETURNING 1 AS "?column?"
         )
  SELECT ((( SELECT count(*) AS count
            FROM tokens) + ( SELECT count(*) AS count
            FROM gone)) + ( SELECT count(*) AS count
            FROM actions));
END;

CREATE TABLE audit_log (
    merchant_id text NOT NULL,
    entry_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb
);

ALTER TABLE ONLY audit_log FORCE ROW LEVEL SECURITY;

ALTER TABLE audit_log ALTER COLUMN entry_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit_log_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE cases (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    revision bigint NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    invoice_number text,
    subscription_id text,
    owed_minor bigint NOT NULL,
    currency text NOT NULL,
    instrument jsonb,
    state text NOT NULL,
    transition text NOT NULL,
    reason text NOT NULL,
    failed_at timestamp with time zone NOT NULL,
    resolve_by timestamp with time zone NOT NULL,
    next_try_at timestamp with time zone,
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
    changed_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT cases_closed CHECK (((closed_at IS NOT NULL) = (state = ANY (ARRAY['recovered'::text, 'ended'::text, 'reversed'::text])))),
    CONSTRAINT cases_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT cases_owed_minor_check CHECK ((owed_minor >= 0))
);

ALTER TABLE ONLY cases FORCE ROW LEVEL SECURITY;

CREATE TABLE customers (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    version bigint NOT NULL,
    contact_hash bytea,
    locale text,
    CONSTRAINT customers_contact_hash_check CHECK ((octet_length(contact_hash) = 32))
);

ALTER TABLE ONLY customers FORCE ROW LEVEL SECURITY;

CREATE TABLE invoices (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    invoice_id text NOT NULL,
    version bigint NOT NULL,
    customer_id text NOT NULL,
    number text,
    subscription_id text,
    status text NOT NULL,
    owed_minor bigint NOT NULL,
    currency text NOT NULL,
    CONSTRAINT invoices_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT invoices_owed_minor_check CHECK ((owed_minor >= 0))
);

ALTER TABLE ONLY invoices FORCE ROW LEVEL SECURITY;

CREATE TABLE merchants (
    merchant_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT merchants_merchant_id_check CHECK ((merchant_id ~ '^[a-zA-Z0-9_-]{3,64}$'::text))
);

CREATE TABLE settings (
    merchant_id text NOT NULL,
    setting text NOT NULL,
    version bigint NOT NULL,
    value jsonb NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT settings_setting_check CHECK (((length(setting) >= 1) AND (length(setting) <= 255))),
    CONSTRAINT settings_version_check CHECK ((version >= 1))
);

ALTER TABLE ONLY settings FORCE ROW LEVEL SECURITY;

CREATE TABLE subscriptions (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    subscription_id text NOT NULL,
    version bigint NOT NULL,
    customer_id text NOT NULL,
    status text NOT NULL,
    description text
);

ALTER TABLE ONLY subscriptions FORCE ROW LEVEL SECURITY;

CREATE TABLE timeline (
    merchant_id text NOT NULL,
    event_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    what text NOT NULL,
    case_id uuid,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    details jsonb NOT NULL
);

ALTER TABLE ONLY timeline FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (merchant_id, key_id);

ALTER TABLE ONLY audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (merchant_id, entry_id);

ALTER TABLE ONLY cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (merchant_id, case_id);

ALTER TABLE ONLY clock_advances
    ADD CONSTRAINT clock_advances_pkey PRIMARY KEY (merchant_id);

ALTER TABLE ONLY customer_actions
    ADD CONSTRAINT customer_actions_pkey PRIMARY KEY (merchant_id, action_id, place);

ALTER TABLE ONLY customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (merchant_id, account_id, customer_id);

ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (merchant_id, account_id, invoice_id);

ALTER TABLE ONLY merchants
    ADD CONSTRAINT merchants_pkey PRIMARY KEY (merchant_id);

ALTER TABLE ONLY sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (merchant_id, session_hash);

ALTER TABLE ONLY settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (merchant_id, setting);

ALTER TABLE ONLY sign_in_tokens
    ADD CONSTRAINT sign_in_tokens_pkey PRIMARY KEY (merchant_id, token_hash);

ALTER TABLE ONLY subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (merchant_id, account_id, subscription_id);

ALTER TABLE ONLY timeline
    ADD CONSTRAINT timeline_pkey PRIMARY KEY (merchant_id, event_id);

CREATE INDEX cases_by_state ON cases USING btree (merchant_id, state, failed_at DESC, case_id DESC);

CREATE INDEX cases_newest ON cases USING btree (merchant_id, failed_at DESC, case_id DESC);

CREATE INDEX cases_of_customer ON cases USING btree (merchant_id, account_id, customer_id) WHERE (closed_at IS NULL);

CREATE INDEX customer_actions_reference ON customer_actions USING btree (merchant_id, case_id, reference);

CREATE INDEX customers_contact ON customers USING btree (merchant_id, contact_hash) WHERE (contact_hash IS NOT NULL);

CREATE INDEX sign_in_tokens_contact ON sign_in_tokens USING btree (merchant_id, contact_hash, created_at);

CREATE INDEX timeline_of_case ON timeline USING btree (merchant_id, case_id, at) WHERE (case_id IS NOT NULL);

CREATE INDEX timeline_of_customer ON timeline USING btree (merchant_id, account_id, customer_id, at) WHERE (case_id IS NULL);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE cases ENABLE ROW LEVEL SECURITY;

ALTER TABLE clock_advances ENABLE ROW LEVEL SECURITY;

ALTER TABLE customer_actions ENABLE ROW LEVEL SECURITY;

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;

CREATE POLICY due_clock_advances ON clock_advances FOR SELECT TO owner USING (true);

CREATE POLICY find_api_key ON api_keys FOR SELECT TO owner USING (true);

ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;

CREATE POLICY purge ON customer_actions TO owner USING (true);

CREATE POLICY purge ON sessions TO owner USING (true);

CREATE POLICY purge ON sign_in_tokens TO owner USING (true);

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE settings ENABLE ROW LEVEL SECURITY;

ALTER TABLE sign_in_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON api_keys USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON audit_log USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON cases USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON clock_advances USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON customer_actions USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON customers USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON invoices USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON sessions USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON settings USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON sign_in_tokens USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON subscriptions USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON timeline USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

ALTER TABLE timeline ENABLE ROW LEVEL SECURITY;
