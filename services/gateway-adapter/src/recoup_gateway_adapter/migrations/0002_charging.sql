-- Charge attempts, the locks that keep an invoice from being charged twice, and the queue that the executor works on.
-- Old code survives it: only new tables, which it does not know.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- What the gateways are to be asked, by whom it is due. Plumbing like the chassis' timers: ids only, no row
-- security, because the executor learns the merchants from it. `due_at` (real time) of a leased row is the lease's
-- end, so that what a crash left behind becomes due by itself.
CREATE TABLE gateway_work (
    kind text NOT NULL,
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    subject text NOT NULL,
    customer_id text NOT NULL,
    priority integer NOT NULL,
    due_at timestamptz NOT NULL,
    lease_id uuid,
    failures integer NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant_id, account_id, kind, subject),
    CONSTRAINT gateway_work_kind CHECK (kind IN ('attempt', 'collection', 'card_session', 'final_action'))
);
CREATE INDEX gateway_work_due ON gateway_work (due_at);
CREATE INDEX gateway_work_account ON gateway_work (merchant_id, account_id, due_at);
CREATE INDEX gateway_work_leased ON gateway_work (lease_id) WHERE lease_id IS NOT NULL;

-- How fast an account may be asked, and whether it may be asked at all (circuit breaker). Plumbing, ids only.
CREATE TABLE account_flow (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    tokens double precision NOT NULL,
    refilled_at timestamptz NOT NULL,
    claimed_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    closed_until timestamptz,
    closed_because text,
    PRIMARY KEY (merchant_id, account_id),
    CONSTRAINT account_flow_reason CHECK ((closed_until IS NULL) = (closed_because IS NULL))
);

-- One row an invoice that was ever charged here: its counter of attempts, and who holds it now. Kept for ever.
CREATE TABLE invoice_locks (
    merchant_id text NOT NULL,
    account_id text NOT NULL,
    invoice_id text NOT NULL,
    last_number integer NOT NULL DEFAULT 0,
    held_for text,
    held_by uuid,
    PRIMARY KEY (merchant_id, account_id, invoice_id),
    CONSTRAINT invoice_locks_holder CHECK ((held_for IS NULL) = (held_by IS NULL)),
    CONSTRAINT invoice_locks_for CHECK (held_for IN ('attempt', 'final_action'))
);
ALTER TABLE invoice_locks ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_locks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invoice_locks USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

-- Attempts that are not settled. All instants are real time.
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
    position integer NOT NULL DEFAULT 0,
    not_after timestamptz,
    state text NOT NULL,
    reason text NOT NULL,
    revision bigint NOT NULL,
    unanswered integer NOT NULL DEFAULT 0,
    first_sent_at timestamptz,
    last_sent_at timestamptz,
    look_ups integer NOT NULL DEFAULT 0,
    seen_charge_id text,
    charge_id text,
    payment_intent_id text,
    action_url text,
    action_until timestamptz,
    decline_code text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, attempt_id),
    CONSTRAINT attempts_number UNIQUE (merchant_id, account_id, invoice_id, number),
    CONSTRAINT attempts_key UNIQUE (merchant_id, account_id, idempotency_key),
    CONSTRAINT attempts_try UNIQUE (merchant_id, try_id),
    CONSTRAINT attempts_counted CHECK (number > 0 AND revision >= 0 AND unanswered >= 0 AND look_ups >= 0),
    CONSTRAINT attempts_state CHECK (
        state IN ('planned', 'sending', 'succeeded', 'declined', 'pending', 'requires_action', 'unknown', 'not_sent')
    ),
    CONSTRAINT attempts_planned_is_unsent CHECK (
        state <> 'planned' OR (unanswered = 0 AND first_sent_at IS NULL AND last_sent_at IS NULL)
    ),
    CONSTRAINT attempts_sending_was_sent CHECK (
        state <> 'sending' OR (unanswered > 0 AND first_sent_at IS NOT NULL AND last_sent_at IS NOT NULL)
    ),
    CONSTRAINT attempts_action_is_present CHECK (
        state <> 'requires_action' OR (customer_present AND action_until IS NOT NULL)
    )
);
-- The guard of guards: whatever the code does, one attempt of an invoice at a time may have money on its way.
CREATE UNIQUE INDEX attempts_one_in_flight ON attempts (merchant_id, account_id, invoice_id)
    WHERE state IN ('sending', 'pending', 'requires_action', 'unknown');
CREATE INDEX attempts_charge ON attempts (merchant_id, account_id, charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX attempts_session ON attempts (merchant_id, card_session_id) WHERE card_session_id IS NOT NULL;
ALTER TABLE attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON attempts USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

-- Settled attempts, moved here when they settle; never partitioned by time, because they too keep a try and a key
-- from being used again.
CREATE TABLE settled_attempts (
    LIKE attempts INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (merchant_id, attempt_id),
    CONSTRAINT settled_attempts_number UNIQUE (merchant_id, account_id, invoice_id, number),
    CONSTRAINT settled_attempts_key UNIQUE (merchant_id, account_id, idempotency_key),
    CONSTRAINT settled_attempts_try UNIQUE (merchant_id, try_id),
    CONSTRAINT settled_attempts_are CHECK (state IN ('succeeded', 'declined', 'not_sent'))
);
CREATE INDEX settled_attempts_charge ON settled_attempts (merchant_id, account_id, charge_id)
    WHERE charge_id IS NOT NULL;
CREATE INDEX settled_attempts_session ON settled_attempts (merchant_id, card_session_id)
    WHERE card_session_id IS NOT NULL;
ALTER TABLE settled_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE settled_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON settled_attempts USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));

CREATE VIEW every_attempt WITH (security_invoker = true) AS
SELECT * FROM attempts
UNION ALL
SELECT * FROM settled_attempts;

-- What may follow what; the domain's table MOVES says the same, and a test compares the two.
CREATE FUNCTION attempt_may_become(was text, becomes text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN was = becomes OR CASE was
        WHEN 'planned' THEN becomes IN ('sending', 'not_sent')
        WHEN 'sending' THEN becomes IN
            ('planned', 'succeeded', 'declined', 'pending', 'requires_action', 'unknown', 'not_sent')
        WHEN 'pending' THEN becomes IN ('succeeded', 'declined')
        WHEN 'requires_action' THEN becomes IN ('succeeded', 'declined', 'not_sent', 'pending')
        WHEN 'unknown' THEN becomes IN ('succeeded', 'declined', 'not_sent', 'pending', 'requires_action')
        ELSE false
    END;

-- What was asked for never changes, a state moves only where it may, a revision only grows.
CREATE FUNCTION attempts_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER attempts_guard BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION attempts_guard();
CREATE TRIGGER settled_attempts_guard BEFORE UPDATE ON settled_attempts
    FOR EACH ROW EXECUTE FUNCTION attempts_guard();

-- How many attempts stand where, and since when: for the gauges, which look over all merchants. Plumbing, ids only.
CREATE TABLE attempt_states (
    merchant_id text NOT NULL,
    attempt_id uuid NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, attempt_id)
);
CREATE FUNCTION attempts_count() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER attempts_count AFTER INSERT OR UPDATE OF state, reason OR DELETE ON attempts
    FOR EACH ROW EXECUTE FUNCTION attempts_count();
