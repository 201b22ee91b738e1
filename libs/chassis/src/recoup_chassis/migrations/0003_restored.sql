-- When the database was last restored to an earlier point: what it tells from then on counts above all that it had
-- told before. Old code survives: it never reads this.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE restored (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    restored_at timestamptz
);
INSERT INTO restored DEFAULT VALUES;
GRANT SELECT ON restored TO PUBLIC;
