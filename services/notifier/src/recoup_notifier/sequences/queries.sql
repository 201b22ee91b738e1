-- name: lock_cases
-- $1 text[]: merchants, $2 uuid[]: cases, in step; locks in the order of the keys
SELECT c.*
FROM cases c
JOIN unnest($1::text[], $2::uuid[]) AS wanted (merchant_id, case_id) USING (merchant_id, case_id)
ORDER BY c.merchant_id, c.case_id
FOR UPDATE OF c;

-- name: find_cases
-- $1 text[]: merchants, $2 uuid[]: cases, in step
SELECT c.*
FROM cases c
JOIN unnest($1::text[], $2::uuid[]) AS wanted (merchant_id, case_id) USING (merchant_id, case_id);

-- name: save_cases
-- $1 text[]: merchants … $25 bigint[]: tries made when last told, in the order of the columns and in step; no case twice
INSERT INTO cases (
    merchant_id, case_id, account_id, customer_id, revision, state, waiting_for, failed_at, resolve_by,
    next_try_at, final_action, invoice_id, invoice_number, subscription_id, owed_minor, recovered_minor,
    currency, instrument_kind, brand, decline_class, decline_action, masked, tries_made, told_ask,
    told_tries_made
)
SELECT * FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[],
    $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[],
    $16::bigint[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::boolean[],
    $23::bigint[], $24::text[], $25::bigint[]
)
ON CONFLICT (merchant_id, case_id) DO UPDATE SET
    revision = excluded.revision,
    state = excluded.state,
    waiting_for = excluded.waiting_for,
    failed_at = excluded.failed_at,
    resolve_by = excluded.resolve_by,
    next_try_at = excluded.next_try_at,
    final_action = excluded.final_action,
    invoice_number = excluded.invoice_number,
    subscription_id = excluded.subscription_id,
    owed_minor = excluded.owed_minor,
    recovered_minor = excluded.recovered_minor,
    currency = excluded.currency,
    instrument_kind = excluded.instrument_kind,
    brand = excluded.brand,
    decline_class = excluded.decline_class,
    decline_action = excluded.decline_action,
    masked = excluded.masked,
    tries_made = excluded.tries_made,
    told_ask = excluded.told_ask,
    told_tries_made = excluded.told_tries_made
WHERE cases.revision < excluded.revision;
