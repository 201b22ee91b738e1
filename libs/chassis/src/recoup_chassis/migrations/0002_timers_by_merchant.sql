-- What is due of each merchant, so that a million timers of one don't starve the others. Old code survives: it
-- never names an index. Who arms a timer waits while it is built (a second a million), at most the time-outs.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX timers_due_of_merchant ON timers (clock_id, merchant_id, due_at);
