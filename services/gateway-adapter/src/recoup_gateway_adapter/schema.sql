-- What the migrations add up to. Written by `make schema`, held by a test; read it, don't run it.
-- The chassis' tables stand in its own schema.sql.

CREATE FUNCTION attempt_may_become(was text, becomes text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((was = becomes) OR CASE was WHEN 'planned'::text THEN (becomes = ANY (ARRAY['sending'::text, 'not_sent'::text])) WHEN 'sending'::text THEN (becomes = ANY (ARRAY['planned'::text, 'succeeded'::text, 'declined'::text, 'pending'::text, 'requires_action'::text, 'unknown'::text, 'not_sent'::text])) WHEN 'pending'::text THEN (becomes = ANY (ARRAY['succeeded'::text, 'declined'::text])) WHEN 'requires_action'::text THEN (becomes = ANY (ARRAY['succeeded'::text, 'declined'::text, 'not_sent'::text, 'pending'::text])) WHEN 'unknown'::text THEN (becomes = ANY (ARRAY['succeeded'::text, 'declined'::text, 'not_sent'::text, 'pending'::text, 'requires_action'::text])) ELSE false END);

CREATE FUNCTION attempts_count() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF tg_op = 'DELETE' THEN
        DELETE FROM attempt_states WHERE merchant_id = old.merchant_id AND attempt_id = old.attempt_id;
    ELSE
        INSERT INTO attempt_states VALUES (new.merchant_id, new.attempt_id, new.state, new.reason, now())
        ON CONFLICT (merchant_id, attempt_id) DO UPDATE
        SET state = excluded.state, reason = excluded.reason,
            since = CASE WHEN attempt_states.state = excluded.state THEN attempt_states.since ELSE excluded.since END;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION attempts_guard() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF (new.merchant_id, new.attempt_id, new.account_id, new.customer_id, new.invoice_id, new.number,
        new.idempotency_key, new.body, new.customer_present)
       IS DISTINCT FROM
       (old.merchant_id, old.attempt_id, old.account_id, old.customer_id, old.invoice_id, old.number,
        old.idempotency_key, old.body, old.customer_present)
    THEN
        RAISE EXCEPTION 'attempt %: what was asked for never changes', old.attempt_id USING ERRCODE = '23514';
    END IF;
    IF NOT attempt_may_become(old.state, new.state) THEN
        RAISE EXCEPTION 'attempt %: % can''t become %', old.attempt_id, old.state, new.state USING ERRCODE = '23514';
    END IF;
    IF new.revision < old.revision THEN
        RAISE EXCEPTION 'attempt %: its revision never falls', old.attempt_id USING ERRCODE = '23514';
    END IF;
    RETURN new;
END $$;

CREATE TABLE account_flow (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    tokens double precision NOT NULL,
    refilled_at timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    closed_until timestamp with time zone,
    closed_because text,
    CONSTRAINT account_flow_reason CHECK (((closed_until IS NULL) = (closed_because IS NULL)))
);

CREATE TABLE account_owners (
    account_id text NOT NULL,
    merchant_id text NOT NULL,
    gateway text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    CONSTRAINT account_owners_account_id_check CHECK ((account_id ~ '^[a-zA-Z0-9_-]{3,64}$'::text))
);

CREATE TABLE accounts (
    account_id text NOT NULL,
    merchant_id text NOT NULL,
    name text NOT NULL,
    livemode boolean NOT NULL,
    base_url text,
    api_version text,
    collection_paused boolean DEFAULT false NOT NULL,
    api_key_sealed bytea NOT NULL,
    webhook_secret_sealed bytea NOT NULL,
    old_webhook_secret_sealed bytea,
    old_webhook_secret_until timestamp with time zone,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT accounts_old_secret_ends CHECK (((old_webhook_secret_sealed IS NULL) = (old_webhook_secret_until IS NULL)))
);

ALTER TABLE ONLY accounts FORCE ROW LEVEL SECURITY;

CREATE TABLE attempt_states (
    merchant_id text NOT NULL,
    attempt_id uuid NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    since timestamp with time zone NOT NULL
);

CREATE TABLE attempts (
    merchant_id text NOT NULL,
    attempt_id uuid NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    number integer NOT NULL,
    idempotency_key text NOT NULL,
    body bytea NOT NULL,
    kind text NOT NULL,
    customer_present boolean NOT NULL,
    instrument_id text,
    case_id uuid,
    try_id uuid,
    card_session_id uuid,
    "position" integer DEFAULT 0 NOT NULL,
    not_after timestamp with time zone,
    state text NOT NULL,
    reason text NOT NULL,
    revision bigint NOT NULL,
    unanswered integer DEFAULT 0 NOT NULL,
    first_sent_at timestamp with time zone,
    last_sent_at timestamp with time zone,
    look_ups integer DEFAULT 0 NOT NULL,
    seen_charge_id text,
    charge_id text,
    payment_intent_id text,
    action_url text,
    action_until timestamp with time zone,
    decline_code text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT attempts_action_is_present CHECK (((state <> 'requires_action'::text) OR (customer_present AND (action_until IS NOT NULL)))),
    CONSTRAINT attempts_counted CHECK (((number > 0) AND (revision >= 0) AND (unanswered >= 0) AND (look_ups >= 0))),
    CONSTRAINT attempts_planned_is_unsent CHECK (((state <> 'planned'::text) OR ((unanswered = 0) AND (first_sent_at IS NULL) AND (last_sent_at IS NULL)))),
    CONSTRAINT attempts_sending_was_sent CHECK (((state <> 'sending'::text) OR ((unanswered > 0) AND (first_sent_at IS NOT NULL) AND (last_sent_at IS NOT NULL)))),
    CONSTRAINT attempts_state CHECK ((state = ANY (ARRAY['planned'::text, 'sending'::text, 'succeeded'::text, 'declined'::text, 'pending'::text, 'requires_action'::text, 'unknown'::text, 'not_sent'::text])))
);

ALTER TABLE ONLY attempts FORCE ROW LEVEL SECURITY;

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
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT card_sessions_card CHECK (((state <> 'completed'::text) OR (instrument_id IS NOT NULL))),
    CONSTRAINT card_sessions_ended CHECK (((state = 'open'::text) = (ended_at IS NULL))),
    CONSTRAINT card_sessions_invoices CHECK ((cardinality(invoice_ids) <= 100)),
    CONSTRAINT card_sessions_state CHECK ((state = ANY (ARRAY['open'::text, 'completed'::text, 'expired'::text])))
);

ALTER TABLE ONLY card_sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE event_cursors (
    account_id text NOT NULL,
    merchant_id text NOT NULL,
    read_up_to timestamp with time zone NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    CONSTRAINT event_cursors_failures_check CHECK ((failures >= 0))
);

CREATE TABLE settled_attempts (
    merchant_id text CONSTRAINT attempts_merchant_id_not_null NOT NULL,
    attempt_id uuid CONSTRAINT attempts_attempt_id_not_null NOT NULL,
    account_id text CONSTRAINT attempts_account_id_not_null NOT NULL,
    customer_id text CONSTRAINT attempts_customer_id_not_null NOT NULL,
    invoice_id text CONSTRAINT attempts_invoice_id_not_null NOT NULL,
    number integer CONSTRAINT attempts_number_not_null NOT NULL,
    idempotency_key text CONSTRAINT attempts_idempotency_key_not_null NOT NULL,
    body bytea CONSTRAINT attempts_body_not_null NOT NULL,
    kind text CONSTRAINT attempts_kind_not_null NOT NULL,
    customer_present boolean CONSTRAINT attempts_customer_present_not_null NOT NULL,
    instrument_id text,
    case_id uuid,
    try_id uuid,
    card_session_id uuid,
    "position" integer DEFAULT 0 CONSTRAINT attempts_position_not_null NOT NULL,
    not_after timestamp with time zone,
    state text CONSTRAINT attempts_state_not_null NOT NULL,
    reason text CONSTRAINT attempts_reason_not_null NOT NULL,
    revision bigint CONSTRAINT attempts_revision_not_null NOT NULL,
    unanswered integer DEFAULT 0 CONSTRAINT attempts_unanswered_not_null NOT NULL,
    first_sent_at timestamp with time zone,
    last_sent_at timestamp with time zone,
    look_ups integer DEFAULT 0 CONSTRAINT attempts_look_ups_not_null NOT NULL,
    seen_charge_id text,
    charge_id text,
    payment_intent_id text,
    action_url text,
    action_until timestamp with time zone,
    decline_code text,
    changed_at timestamp with time zone DEFAULT now() CONSTRAINT attempts_changed_at_not_null NOT NULL,
    CONSTRAINT attempts_action_is_present CHECK (((state <> 'requires_action'::text) OR (customer_present AND (action_until IS NOT NULL)))),
    CONSTRAINT attempts_counted CHECK (((number > 0) AND (revision >= 0) AND (unanswered >= 0) AND (look_ups >= 0))),
    CONSTRAINT attempts_planned_is_unsent CHECK (((state <> 'planned'::text) OR ((unanswered = 0) AND (first_sent_at IS NULL) AND (last_sent_at IS NULL)))),
    CONSTRAINT attempts_sending_was_sent CHECK (((state <> 'sending'::text) OR ((unanswered > 0) AND (first_sent_at IS NOT NULL) AND (last_sent_at IS NOT NULL)))),
    CONSTRAINT attempts_state CHECK ((state = ANY (ARRAY['planned'::text, 'sending'::text, 'succeeded'::text, 'declined'::text, 'pending'::text, 'requires_action'::text, 'unknown'::text, 'not_sent'::text]))),
    CONSTRAINT settled_attempts_are CHECK ((state = ANY (ARRAY['succeeded'::text, 'declined'::text, 'not_sent'::text])))
);

ALTER TABLE ONLY settled_attempts FORCE ROW LEVEL SECURITY;

CREATE VIEW every_attempt WITH (security_invoker='true') AS
 SELECT attempts.merchant_id,
    attempts.attempt_id,
    attempts.account_id,
    attempts.customer_id,
    attempts.invoice_id,
    attempts.number,
    attempts.idempotency_key,
    attempts.body,
    attempts.kind,
    attempts.customer_present,
    attempts.instrument_id,
    attempts.case_id,
    attempts.try_id,
    attempts.card_session_id,
    attempts."position",
    attempts.not_after,
    attempts.state,
    attempts.reason,
    attempts.revision,
    attempts.unanswered,
    attempts.first_sent_at,
    attempts.last_sent_at,
    attempts.look_ups,
    attempts.seen_charge_id,
    attempts.charge_id,
    attempts.payment_intent_id,
    attempts.action_url,
    attempts.action_until,
    attempts.decline_code,
    attempts.changed_at
   FROM attempts
UNION ALL
 SELECT settled_attempts.merchant_id,
    settled_attempts.attempt_id,
    settled_attempts.account_id,
    settled_attempts.customer_id,
    settled_attempts.invoice_id,
    settled_attempts.number,
    settled_attempts.idempotency_key,
    settled_attempts.body,
    settled_attempts.kind,
    settled_attempts.customer_present,
    settled_attempts.instrument_id,
    settled_attempts.case_id,
    settled_attempts.try_id,
    settled_attempts.card_session_id,
    settled_attempts."position",
    settled_attempts.not_after,
    settled_attempts.state,
    settled_attempts.reason,
    settled_attempts.revision,
    settled_attempts.unanswered,
    settled_attempts.first_sent_at,
    settled_attempts.last_sent_at,
    settled_attempts.look_ups,
    settled_attempts.seen_charge_id,
    settled_attempts.charge_id,
    settled_attempts.payment_intent_id,
    settled_attempts.action_url,
    settled_attempts.action_until,
    settled_attempts.decline_code,
    settled_attempts.changed_at
   FROM settled_attempts;

CREATE TABLE final_actions (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    revision bigint NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    invoice_id text NOT NULL,
    subscription_id text,
    action text NOT NULL,
    asked_at timestamp with time zone,
    silences integer DEFAULT 0 NOT NULL,
    outcome text,
    detail text,
    ended_at timestamp with time zone,
    CONSTRAINT final_actions_counted CHECK (((revision >= 0) AND (silences >= 0))),
    CONSTRAINT final_actions_ended CHECK (((outcome IS NULL) = (ended_at IS NULL))),
    CONSTRAINT final_actions_outcome CHECK ((outcome = ANY (ARRAY['done'::text, 'overtaken'::text, 'refused'::text, 'unknown'::text])))
);

ALTER TABLE ONLY final_actions FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway_objects (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    kind text NOT NULL,
    object_id text NOT NULL,
    invoice_id text,
    payment_intent_id text,
    charge_id text,
    version bigint DEFAULT 0 NOT NULL,
    record jsonb NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT gateway_objects_kind_check CHECK ((kind = ANY (ARRAY['charge'::text, 'intent'::text, 'invoice'::text, 'failure'::text, 'instrument'::text, 'customer'::text, 'subscription'::text, 'reversal'::text]))),
    CONSTRAINT gateway_objects_version_check CHECK ((version >= 0))
);

ALTER TABLE ONLY gateway_objects FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway_work (
    kind text NOT NULL,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    subject text NOT NULL,
    customer_id text NOT NULL,
    priority integer NOT NULL,
    due_at timestamp with time zone NOT NULL,
    lease_id uuid,
    failures integer DEFAULT 0 NOT NULL,
    CONSTRAINT gateway_work_kind CHECK ((kind = ANY (ARRAY['attempt'::text, 'collection'::text, 'card_session'::text, 'final_action'::text])))
);

CREATE TABLE invoice_locks (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    invoice_id text NOT NULL,
    last_number integer DEFAULT 0 NOT NULL,
    held_for text,
    held_by uuid,
    CONSTRAINT invoice_locks_for CHECK ((held_for = ANY (ARRAY['attempt'::text, 'final_action'::text]))),
    CONSTRAINT invoice_locks_holder CHECK (((held_for IS NULL) = (held_by IS NULL)))
);

ALTER TABLE ONLY invoice_locks FORCE ROW LEVEL SECURITY;

CREATE TABLE joins (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    waiting_since timestamp with time zone DEFAULT now() NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    CONSTRAINT joins_tries_check CHECK ((tries >= 0))
);

CREATE TABLE merchant_settings (
    merchant_id text NOT NULL,
    setting text NOT NULL,
    version bigint NOT NULL,
    value jsonb NOT NULL
);

ALTER TABLE ONLY merchant_settings FORCE ROW LEVEL SECURITY;

CREATE TABLE raw_webhooks (
    raw_webhook_id bigint NOT NULL,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    webhook_id text NOT NULL,
    event_at timestamp with time zone NOT NULL,
    event_type text NOT NULL,
    customer_id text,
    body bytea NOT NULL,
    arrived_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT raw_webhooks_body_check CHECK ((octet_length(body) <= 524288))
);

ALTER TABLE raw_webhooks ALTER COLUMN raw_webhook_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME raw_webhooks_raw_webhook_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE set_aside (
    raw_webhook_id bigint NOT NULL,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    set_aside_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE stop_everything (
    only_row boolean DEFAULT true NOT NULL,
    stopped boolean NOT NULL,
    CONSTRAINT stop_everything_only_row_check CHECK (only_row)
);

CREATE TABLE untranslated (
    raw_webhook_id bigint NOT NULL,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    CONSTRAINT untranslated_tries_check CHECK ((tries >= 0))
);

ALTER TABLE ONLY account_flow
    ADD CONSTRAINT account_flow_pkey PRIMARY KEY (merchant_id, account_id);

ALTER TABLE ONLY account_owners
    ADD CONSTRAINT account_owners_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY attempt_states
    ADD CONSTRAINT attempt_states_pkey PRIMARY KEY (merchant_id, attempt_id);

ALTER TABLE ONLY attempts
    ADD CONSTRAINT attempts_key UNIQUE (merchant_id, account_id, idempotency_key);

ALTER TABLE ONLY attempts
    ADD CONSTRAINT attempts_number UNIQUE (merchant_id, account_id, invoice_id, number);

ALTER TABLE ONLY attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (merchant_id, attempt_id);

ALTER TABLE ONLY attempts
    ADD CONSTRAINT attempts_try UNIQUE (merchant_id, try_id);

ALTER TABLE ONLY card_sessions
    ADD CONSTRAINT card_sessions_gateways UNIQUE (account_id, gateway_session_id);

ALTER TABLE ONLY card_sessions
    ADD CONSTRAINT card_sessions_pkey PRIMARY KEY (merchant_id, card_session_id);

ALTER TABLE ONLY event_cursors
    ADD CONSTRAINT event_cursors_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY final_actions
    ADD CONSTRAINT final_actions_pkey PRIMARY KEY (merchant_id, case_id);

ALTER TABLE ONLY gateway_objects
    ADD CONSTRAINT gateway_objects_pkey PRIMARY KEY (account_id, object_id, kind);

ALTER TABLE ONLY gateway_work
    ADD CONSTRAINT gateway_work_pkey PRIMARY KEY (merchant_id, account_id, kind, subject);

ALTER TABLE ONLY invoice_locks
    ADD CONSTRAINT invoice_locks_pkey PRIMARY KEY (merchant_id, account_id, invoice_id);

ALTER TABLE ONLY joins
    ADD CONSTRAINT joins_pkey PRIMARY KEY (account_id, kind, subject);

ALTER TABLE ONLY merchant_settings
    ADD CONSTRAINT merchant_settings_pkey PRIMARY KEY (merchant_id, setting);

ALTER TABLE ONLY raw_webhooks
    ADD CONSTRAINT raw_webhooks_once UNIQUE (account_id, webhook_id, event_at);

ALTER TABLE ONLY raw_webhooks
    ADD CONSTRAINT raw_webhooks_pkey PRIMARY KEY (raw_webhook_id);

ALTER TABLE ONLY set_aside
    ADD CONSTRAINT set_aside_pkey PRIMARY KEY (raw_webhook_id);

ALTER TABLE ONLY settled_attempts
    ADD CONSTRAINT settled_attempts_key UNIQUE (merchant_id, account_id, idempotency_key);

ALTER TABLE ONLY settled_attempts
    ADD CONSTRAINT settled_attempts_number UNIQUE (merchant_id, account_id, invoice_id, number);

ALTER TABLE ONLY settled_attempts
    ADD CONSTRAINT settled_attempts_pkey PRIMARY KEY (merchant_id, attempt_id);

ALTER TABLE ONLY settled_attempts
    ADD CONSTRAINT settled_attempts_try UNIQUE (merchant_id, try_id);

ALTER TABLE ONLY stop_everything
    ADD CONSTRAINT stop_everything_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY untranslated
    ADD CONSTRAINT untranslated_pkey PRIMARY KEY (raw_webhook_id);

CREATE INDEX attempts_charge ON attempts USING btree (merchant_id, account_id, charge_id) WHERE (charge_id IS NOT NULL);

CREATE UNIQUE INDEX attempts_one_in_flight ON attempts USING btree (merchant_id, account_id, invoice_id) WHERE (state = ANY (ARRAY['sending'::text, 'pending'::text, 'requires_action'::text, 'unknown'::text]));

CREATE INDEX attempts_session ON attempts USING btree (merchant_id, card_session_id) WHERE (card_session_id IS NOT NULL);

CREATE INDEX card_sessions_open ON card_sessions USING btree (account_id, customer_id, ends_at) WHERE (state = 'open'::text);

CREATE INDEX gateway_objects_charge ON gateway_objects USING btree (account_id, charge_id) WHERE (charge_id IS NOT NULL);

CREATE INDEX gateway_objects_intent ON gateway_objects USING btree (account_id, payment_intent_id) WHERE (payment_intent_id IS NOT NULL);

CREATE INDEX gateway_objects_invoice ON gateway_objects USING btree (account_id, invoice_id) WHERE (invoice_id IS NOT NULL);

CREATE INDEX gateway_objects_snapshot ON gateway_objects USING btree (account_id, kind, object_id) WHERE (version > 0);

CREATE INDEX gateway_work_account ON gateway_work USING btree (merchant_id, account_id, due_at);

CREATE INDEX gateway_work_due ON gateway_work USING btree (due_at);

CREATE INDEX gateway_work_leased ON gateway_work USING btree (lease_id) WHERE (lease_id IS NOT NULL);

CREATE INDEX joins_due ON joins USING btree (due_at);

CREATE INDEX raw_webhooks_arrived_at ON raw_webhooks USING brin (arrived_at);

CREATE INDEX raw_webhooks_customer ON raw_webhooks USING btree (account_id, customer_id) WHERE (customer_id IS NOT NULL);

CREATE INDEX set_aside_merchant ON set_aside USING btree (merchant_id);

CREATE INDEX settled_attempts_charge ON settled_attempts USING btree (merchant_id, account_id, charge_id) WHERE (charge_id IS NOT NULL);

CREATE INDEX settled_attempts_session ON settled_attempts USING btree (merchant_id, card_session_id) WHERE (card_session_id IS NOT NULL);

CREATE INDEX untranslated_due ON untranslated USING btree (due_at);

CREATE TRIGGER attempts_count AFTER INSERT OR DELETE OR UPDATE OF state, reason ON attempts FOR EACH ROW EXECUTE FUNCTION attempts_count();

CREATE TRIGGER attempts_guard BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION attempts_guard();

CREATE TRIGGER settled_attempts_guard BEFORE UPDATE ON settled_attempts FOR EACH ROW EXECUTE FUNCTION attempts_guard();

ALTER TABLE ONLY accounts
    ADD CONSTRAINT accounts_account_id_fkey FOREIGN KEY (account_id) REFERENCES account_owners(account_id);

ALTER TABLE ONLY event_cursors
    ADD CONSTRAINT event_cursors_account_id_fkey FOREIGN KEY (account_id) REFERENCES account_owners(account_id);

ALTER TABLE ONLY set_aside
    ADD CONSTRAINT set_aside_raw_webhook_id_fkey FOREIGN KEY (raw_webhook_id) REFERENCES raw_webhooks(raw_webhook_id) ON DELETE CASCADE;

ALTER TABLE ONLY untranslated
    ADD CONSTRAINT untranslated_raw_webhook_id_fkey FOREIGN KEY (raw_webhook_id) REFERENCES raw_webhooks(raw_webhook_id) ON DELETE CASCADE;

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE attempts ENABLE ROW LEVEL SECURITY;

ALTER TABLE card_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE final_actions ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway_objects ENABLE ROW LEVEL SECURITY;

ALTER TABLE invoice_locks ENABLE ROW LEVEL SECURITY;

ALTER TABLE merchant_settings ENABLE ROW LEVEL SECURITY;

ALTER TABLE settled_attempts ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON accounts USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON attempts USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON card_sessions USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON final_actions USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON gateway_objects USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON invoice_locks USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON merchant_settings USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON settled_attempts USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));
