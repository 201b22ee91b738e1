-- name: queue
-- $1 text[]: merchants, $2 uuid[]: messages, $3 text[]: customers, $4 text[]: accounts, $5 uuid[]: cases,
-- $6 bigint[]: revisions, $7 text[]: kinds, all in step; $8 real now, $9 expires at, $10 link, $11 priority; a message
-- that is there already is left as it is
WITH added AS (
    INSERT INTO correspondence (
        merchant_id, message_id, customer_id, account_id, case_id, case_revision, kind, queued_at, expires_at, link
    )
    SELECT merchant_id, message_id, customer_id, account_id, case_id, case_revision, kind, $8, $9, $10
    FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[])
         AS new (merchant_id, message_id, customer_id, account_id, case_id, case_revision, kind)
    ON CONFLICT DO NOTHING
    RETURNING message_id, merchant_id, customer_id
)
INSERT INTO mail_queue (message_id, merchant_id, customer_id, priority, due_at)
SELECT message_id, merchant_id, customer_id, $11, $8 FROM added;

-- name: drop_superseded
-- $1 text[]: merchants, $2 uuid[]: cases, $3 bigint[]: revisions, in step: what is about an earlier one is dropped
-- while it is unsent; $4 real now
WITH dropped AS (
    UPDATE correspondence c SET state = 'dropped', reason = 'overtaken', settled_at = $4
    FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS now_told (merchant_id, case_id, revision)
    WHERE c.merchant_id = now_told.merchant_id AND c.case_id = now_told.case_id
      AND c.case_revision < now_told.revision AND c.state = 'queued'
    RETURNING c.message_id
)
DELETE FROM mail_queue WHERE message_id IN (SELECT message_id FROM dropped);

-- name: erase
-- $1 text[]: merchants, $2 text[]: customers, in step, $3 real now; one that is being sent keeps its state
WITH gone AS (
    SELECT * FROM unnest($1::text[], $2::text[]) AS gone (merchant_id, customer_id)
), dropped AS (
    DELETE FROM mail_queue q USING gone, correspondence c
    WHERE c.merchant_id = gone.merchant_id AND c.customer_id = gone.customer_id AND c.state = 'queued'
      AND q.message_id = c.message_id
)
UPDATE correspondence c SET
    state = CASE WHEN c.state = 'queued' THEN 'dropped' ELSE c.state END,
    reason = CASE WHEN c.state = 'queued' THEN 'erased' ELSE c.reason END,
    settled_at = CASE WHEN c.state = 'queued' THEN $3 ELSE c.settled_at END,
    recipient = NULL, subject = NULL, text_part = NULL, html_part = NULL, link = NULL, answer = NULL
FROM gone
WHERE c.merchant_id = gone.merchant_id AND c.customer_id = gone.customer_id;

-- name: due
-- $1 real now, $2 how many at most
SELECT message_id, merchant_id, customer_id
FROM mail_queue
WHERE due_at <= $1
ORDER BY priority, due_at
LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: take
-- $1 uuid[]: messages, $2 when the lease ends, $3 this replica
UPDATE mail_queue SET due_at = $2, taken_by = $3 WHERE message_id = ANY ($1::uuid[]);

-- name: release_taken
-- $1 this replica, which has just started and sends nothing, $2 real now
UPDATE mail_queue SET due_at = $2, taken_by = NULL WHERE taken_by = $1;

-- name: look
-- $1 text[]: merchants, $2 uuid[]: messages, in step. All that was written about their cases is read once, however
-- many messages there are.
WITH asked AS MATERIALIZED (
    SELECT
        c.merchant_id, c.message_id, c.customer_id, c.account_id, c.kind, c.queued_at, c.handed_over, c.case_id,
        c.case_revision, c.expires_at, c.link
    FROM correspondence c
    JOIN unnest($1::text[], $2::uuid[]) AS wanted (merchant_id, message_id) USING (merchant_id, message_id)
    WHERE c.message_id = ANY ($2::uuid[]) AND c.state IN ('queued', 'sending')
), written AS MATERIALIZED (
    SELECT
        merchant_id, case_id, max(case_revision) AS newest,
        max(CASE WHEN state = 'sent' OR may_have_arrived THEN 2 WHEN state = 'sending' THEN 1 END)
            FILTER (WHERE kind = 'payment_failed') AS told
    FROM correspondence
    WHERE case_id = ANY ((SELECT array_agg(case_id) FROM asked)::uuid[])
    GROUP BY merchant_id, case_id
)
SELECT
    asked.*,
    coalesce(written.newest > asked.case_revision, false) AS newer,
    CASE written.told WHEN 2 THEN 'yes' WHEN 1 THEN 'on_its_way' ELSE 'no' END AS told_before
FROM asked LEFT JOIN written USING (merchant_id, case_id);

-- name: begin
-- $1 text[]: merchants, $2 uuid[]: messages, $3 text[]: languages, $4 text[]: templates, $5 text[]: recipients,
-- $6 text[]: subjects, $7 text[]: texts, $8 text[]: htmls, in step.
-- One that was being sent already was lost sight of: it may have arrived.
UPDATE correspondence c SET
    state = 'sending', handed_over = handed_over + 1, may_have_arrived = may_have_arrived OR state = 'sending',
    language = written.language, template = written.template, recipient = written.recipient,
    subject = written.subject, text_part = written.text_part, html_part = written.html_part
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
     AS written (merchant_id, message_id, language, template, recipient, subject, text_part, html_part)
WHERE c.merchant_id = written.merchant_id AND c.message_id = written.message_id AND c.state IN ('queued', 'sending');

-- name: postpone
-- $1 message, $2 when to look again (real); what became of it is not touched
UPDATE mail_queue SET due_at = $2, taken_by = NULL WHERE message_id = $1;

-- name: requeue
-- $1 merchant, $2 message, $3 what the server said, $4 it may have arrived, $5 how many tries to take back
UPDATE correspondence SET
    state = 'queued', answer = $3, may_have_arrived = may_have_arrived OR $4, handed_over = handed_over - $5
WHERE merchant_id = $1 AND message_id = $2 AND state = 'sending';

-- name: settle
-- $1 text[]: merchants and $2 uuid[]: messages, in step; $3 state, $4 reason, $5 what the server said, $6 real now,
-- $7 they may have arrived. A sign-in mail keeps nothing that lets anybody in.
UPDATE correspondence c SET
    state = $3, reason = $4, answer = $5, settled_at = $6, link = NULL,
    may_have_arrived = may_have_arrived OR $7 OR (state = 'sending' AND $3 = 'dropped'),
    text_part = CASE WHEN kind = 'sign_in' THEN NULL ELSE text_part END,
    html_part = CASE WHEN kind = 'sign_in' THEN NULL ELSE html_part END
FROM unnest($1::text[], $2::uuid[]) AS ended (merchant_id, message_id)
WHERE c.merchant_id = ended.merchant_id AND c.message_id = ended.message_id AND c.state IN ('queued', 'sending')
RETURNING c.message_id, c.language;

-- name: unqueue
-- $1 uuid[]: messages
DELETE FROM mail_queue WHERE message_id = ANY ($1::uuid[]);

-- name: queue_age
-- $1 real now; gives how many wait, and for how many seconds the oldest has been due
SELECT count(*) AS waiting, coalesce(extract(epoch FROM $1 - min(due_at)), 0)::float8 AS overdue FROM mail_queue;
