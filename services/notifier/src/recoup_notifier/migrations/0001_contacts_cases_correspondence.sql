-- The notifier's first tables. No older code runs on them.
SET lock_timeout = '2s';
SET statement_timeout = '60s';

-- Customers as their gateways know them. Personal; a tombstone deletes the row.
CREATE TABLE contacts (
    merchant_id text NOT NULL,
    customer_id text NOT NULL,
    account_id  text NOT NULL,
    version     bigint NOT NULL,
    email       text,
    name        text,
    locale      text,
    timezone    text,
    PRIMARY KEY (merchant_id, customer_id)
);

-- What a merchant chose, as far as mails need it: 'merchant' and 'mail'.
CREATE TABLE merchant_settings (
    merchant_id text NOT NULL,
    setting     text NOT NULL CHECK (setting IN ('merchant', 'mail')),
    version     bigint NOT NULL,
    value       jsonb NOT NULL,
    PRIMARY KEY (merchant_id, setting)
);

-- Cases as retry-scheduler last told them, and what was last said about each while it is open.
-- Instants are the merchant's, amounts minor units of currency.
CREATE TABLE cases (
    merchant_id      text NOT NULL,
    case_id          uuid NOT NULL,
    account_id       text NOT NULL,
    customer_id      text NOT NULL,
    revision         bigint NOT NULL CHECK (revision >= 0),
    state            text NOT NULL,
    waiting_for      text,
    failed_at        timestamptz NOT NULL,
    resolve_by       timestamptz NOT NULL,
    next_try_at      timestamptz,
    final_action     text NOT NULL,
    invoice_id       text NOT NULL,
    invoice_number   text,
    subscription_id  text,
    owed_minor       bigint NOT NULL CHECK (owed_minor >= 0),
    recovered_minor  bigint NOT NULL CHECK (recovered_minor >= 0),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    instrument_kind  text,
    brand            text,
    decline_class    text,
    decline_action   text,
    masked           boolean NOT NULL,
    tries_made       bigint NOT NULL CHECK (tries_made >= 0),
    told_ask         text CHECK (told_ask IN ('nothing', 'pay', 'new_card', 'authenticate')),
    told_tries_made  bigint,
    PRIMARY KEY (merchant_id, case_id),
    CHECK ((told_ask IS NULL) = (told_tries_made IS NULL)),
    CHECK (told_ask IS NULL OR state NOT IN ('recovered', 'ended', 'reversed'))
);

-- Every message: one for a change of a case, or a sign-in mail, which has no case. Instants are real.
-- recipient, subject, text_part, html_part, link and answer are personal or secret: erasure empties them,
-- and a sign-in mail loses them as soon as it is settled.
CREATE TABLE correspondence (
    merchant_id    text NOT NULL,
    message_id     uuid NOT NULL,
    customer_id    text NOT NULL,
    account_id     text NOT NULL,
    case_id        uuid,
    case_revision  bigint,
    kind           text NOT NULL CHECK (kind IN ('payment_failed', 'all_set', 'sign_in')),
    state          text NOT NULL DEFAULT 'queued'
                   CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'dropped')),
    reason         text,
    queued_at      timestamptz NOT NULL,
    expires_at     timestamptz,
    -- so many times the mail server was asked to take it; it may have taken it without our hearing of it
    handed_over    bigint NOT NULL DEFAULT 0 CHECK (handed_over >= 0),
    may_have_arrived boolean NOT NULL DEFAULT false,
    settled_at     timestamptz,
    language       text,
    template       text CHECK (template IN ('ours', 'merchant', 'ours_instead')),
    recipient      text,
    subject        text,
    text_part      text,
    html_part      text,
    link           text,
    answer         text,
    PRIMARY KEY (merchant_id, message_id),
    UNIQUE (merchant_id, case_id, case_revision, kind),
    CHECK ((case_id IS NULL) = (kind = 'sign_in')),
    CHECK ((case_id IS NULL) = (case_revision IS NULL)),
    CHECK ((expires_at IS NOT NULL) = (kind = 'sign_in')),
    CHECK ((settled_at IS NOT NULL) = (state IN ('sent', 'failed', 'dropped'))),
    CHECK ((reason IS NOT NULL) = (state IN ('failed', 'dropped'))),
    CHECK (state NOT IN ('sending', 'sent') OR handed_over > 0),
    CHECK (kind <> 'sign_in' OR settled_at IS NULL OR (link IS NULL AND text_part IS NULL AND html_part IS NULL))
);

CREATE INDEX correspondence_of_customer ON correspondence (merchant_id, customer_id);

-- Plumbing: which messages wait, and from when each may be taken (real time; a lease pushes it ahead).
-- No content, no row security: the sender learns from it whose rows to look at.
CREATE TABLE mail_queue (
    message_id  uuid PRIMARY KEY,
    merchant_id text NOT NULL,
    customer_id text NOT NULL,
    priority    bigint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    due_at      timestamptz NOT NULL,
    taken_by    text
);

CREATE INDEX mail_queue_due ON mail_queue (priority, due_at);

ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON contacts USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

ALTER TABLE merchant_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE merchant_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON merchant_settings USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
ALTER TABLE cases FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cases USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

ALTER TABLE correspondence ENABLE ROW LEVEL SECURITY;
ALTER TABLE correspondence FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON correspondence USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
