-- What the migrations add up to. Written by `make schema`, held by a test; read it, don't run it.
-- The chassis' tables stand in its own schema.sql.

CREATE TABLE cases (
    merchant_id text NOT NULL,
    case_id uuid NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL,
    revision bigint NOT NULL,
    state text NOT NULL,
    waiting_for text,
    failed_at timestamp with time zone NOT NULL,
    resolve_by timestamp with time zone NOT NULL,
    next_try_at timestamp with time zone,
    final_action text NOT NULL,
    invoice_id text NOT NULL,
    invoice_number text,
    subscription_id text,
    owed_minor bigint NOT NULL,
    recovered_minor bigint NOT NULL,
    currency text NOT NULL,
    instrument_kind text,
    brand text,
    decline_class text,
    decline_action text,
    masked boolean NOT NULL,
    tries_made bigint NOT NULL,
    told_ask text,
    told_tries_made bigint,
    CONSTRAINT cases_check CHECK (((told_ask IS NULL) = (told_tries_made IS NULL))),
    CONSTRAINT cases_check1 CHECK (((told_ask IS NULL) OR (state <> ALL (ARRAY['recovered'::text, 'ended'::text, 'reversed'::text])))),
    CONSTRAINT cases_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT cases_owed_minor_check CHECK ((owed_minor >= 0)),
    CONSTRAINT cases_recovered_minor_check CHECK ((recovered_minor >= 0)),
    CONSTRAINT cases_revision_check CHECK ((revision >= 0)),
    CONSTRAINT cases_told_ask_check CHECK ((told_ask = ANY (ARRAY['nothing'::text, 'pay'::text, 'new_card'::text, 'authenticate'::text]))),
    CONSTRAINT cases_tries_made_check CHECK ((tries_made >= 0))
);

ALTER TABLE ONLY cases FORCE ROW LEVEL SECURITY;

CREATE TABLE contacts (
    merchant_id text NOT NULL,
    customer_id text NOT NULL,
    account_id text NOT NULL,
    version bigint NOT NULL,
    email text,
    name text,
    locale text,
    timezone text
);

ALTER TABLE ONLY contacts FORCE ROW LEVEL SECURITY;

CREATE TABLE correspondence (
    merchant_id text NOT NULL,
    message_id uuid NOT NULL,
    customer_id text NOT NULL,
    account_id text NOT NULL,
    case_id uuid,
    case_revision bigint,
    kind text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    reason text,
    queued_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    handed_over bigint DEFAULT 0 NOT NULL,
    may_have_arrived boolean DEFAULT false NOT NULL,
    settled_at timestamp with time zone,
    language text,
    template text,
    recipient text,
    subject text,
    text_part text,
    html_part text,
    link text,
    answer text,
    CONSTRAINT correspondence_check CHECK (((case_id IS NULL) = (kind = 'sign_in'::text))),
    CONSTRAINT correspondence_check1 CHECK (((case_id IS NULL) = (case_revision IS NULL))),
    CONSTRAINT correspondence_check2 CHECK (((expires_at IS NOT NULL) = (kind = 'sign_in'::text))),
    CONSTRAINT correspondence_check3 CHECK (((settled_at IS NOT NULL) = (state = ANY (ARRAY['sent'::text, 'failed'::text, 'dropped'::text])))),
    CONSTRAINT correspondence_check4 CHECK (((reason IS NOT NULL) = (state = ANY (ARRAY['failed'::text, 'dropped'::text])))),
    CONSTRAINT correspondence_check5 CHECK (((state <> ALL (ARRAY['sending'::text, 'sent'::text])) OR (handed_over > 0))),
    CONSTRAINT correspondence_check6 CHECK (((kind <> 'sign_in'::text) OR (settled_at IS NULL) OR ((link IS NULL) AND (text_part IS NULL) AND (html_part IS NULL)))),
    CONSTRAINT correspondence_handed_over_check CHECK ((handed_over >= 0)),
    CONSTRAINT correspondence_kind_check CHECK ((kind = ANY (ARRAY['payment_failed'::text, 'all_set'::text, 'sign_in'::text]))),
    CONSTRAINT correspondence_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'dropped'::text]))),
    CONSTRAINT correspondence_template_check CHECK ((template = ANY (ARRAY['ours'::text, 'merchant'::text, 'ours_instead'::text])))
);

ALTER TABLE ONLY correspondence FORCE ROW LEVEL SECURITY;

CREATE TABLE mail_queue (
    message_id uuid NOT NULL,
    merchant_id text NOT NULL,
    customer_id text NOT NULL,
    priority bigint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    taken_by text,
    CONSTRAINT mail_queue_priority_check CHECK (((priority >= 0) AND (priority <= 9)))
);

CREATE TABLE merchant_settings (
    merchant_id text NOT NULL,
    setting text NOT NULL,
    version bigint NOT NULL,
    value jsonb NOT NULL,
    CONSTRAINT merchant_settings_setting_check CHECK ((setting = ANY (ARRAY['merchant'::text, 'mail'::text])))
);

ALTER TABLE ONLY merchant_settings FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (merchant_id, case_id);

ALTER TABLE ONLY contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (merchant_id, customer_id);

ALTER TABLE ONLY correspondence
    ADD CONSTRAINT correspondence_merchant_id_case_id_case_revision_kind_key UNIQUE (merchant_id, case_id, case_revision, kind);

ALTER TABLE ONLY correspondence
    ADD CONSTRAINT correspondence_pkey PRIMARY KEY (merchant_id, message_id);

ALTER TABLE ONLY mail_queue
    ADD CONSTRAINT mail_queue_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY merchant_settings
    ADD CONSTRAINT merchant_settings_pkey PRIMARY KEY (merchant_id, setting);

CREATE INDEX correspondence_of_customer ON correspondence USING btree (merchant_id, customer_id);

CREATE INDEX mail_queue_due ON mail_queue USING btree (priority, due_at);

ALTER TABLE cases ENABLE ROW LEVEL SECURITY;

ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;

ALTER TABLE correspondence ENABLE ROW LEVEL SECURITY;

ALTER TABLE merchant_settings ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON cases USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON contacts USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON correspondence USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));

CREATE POLICY tenant ON merchant_settings USING ((merchant_id = ANY (( SELECT recoup_merchants() AS recoup_merchants)::text[])));
