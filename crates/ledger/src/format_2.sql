-- The second format: what a bill is made of, lessons about models, money held before it is spent, measured sizes of
-- answers, and which rows took which answer.

-- What an attempt cost in detail. upstream_pico is what the provider took, by the service's account.
ALTER TABLE attempt ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN byok INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN upstream_pico INTEGER;
ALTER TABLE attempt ADD COLUMN key_label INTEGER;
ALTER TABLE attempt ADD COLUMN first_byte_ms INTEGER;
ALTER TABLE attempt ADD COLUMN route_asked INTEGER;
ALTER TABLE attempt ADD COLUMN route_served INTEGER;

ALTER TABLE answer ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE answer ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;

-- In the sums, upstream_pico counts only attempts with the user's own provider key (byok): for the others it is part
-- of the cost already. unpriced counts attempts that were served or used tokens at a cost that nobody told.
ALTER TABLE run_total ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_total ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_total ADD COLUMN upstream_pico INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_total ADD COLUMN byok_attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_total ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_total ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
-- Entries of shared_rows.
ALTER TABLE run_total ADD COLUMN row_lists INTEGER NOT NULL DEFAULT 0;

-- Spending is told by operator and key as well. Model, provider, operator and key are words, 0 where not known.
CREATE TABLE spend_2 (
    run                INTEGER NOT NULL,
    day                INTEGER NOT NULL,
    model              INTEGER NOT NULL,
    provider           INTEGER NOT NULL,
    operator           INTEGER NOT NULL,
    key_label          INTEGER NOT NULL,
    calls              INTEGER NOT NULL,
    answered           INTEGER NOT NULL,
    attempts           INTEGER NOT NULL,
    prompt_tokens      INTEGER NOT NULL,
    completion_tokens  INTEGER NOT NULL,
    cached_tokens      INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost_pico          INTEGER NOT NULL,
    upstream_pico      INTEGER NOT NULL,
    byok_attempts      INTEGER NOT NULL,
    estimated          INTEGER NOT NULL,
    unpriced           INTEGER NOT NULL,
    PRIMARY KEY (run, day, model, provider, operator, key_label)
) STRICT, WITHOUT ROWID;

-- The older sums hold no operator. Where a run had only one, it is that one. How its costs were known stands in the
-- attempts.
WITH
one_operator (run, operator) AS (
    SELECT number, (SELECT min(operator) FROM call
                    WHERE id BETWEEN number << 36 AND (number << 36) | 0xFFFFFFFFF
                    HAVING min(operator) = max(operator))
    FROM run
),
guessed (run, day, model, provider, estimated, unpriced) AS (
    SELECT id >> 36, (started_ms - (started_ms % 86400000 + 86400000) % 86400000) / 86400000,
           coalesce(model_served, model_asked), coalesce(provider, 0), sum(cost_source = 1),
           sum(cost_source = 2 AND (fault IS NULL OR prompt_tokens > 0 OR completion_tokens > 0))
    FROM attempt WHERE cost_source <> 0 GROUP BY 1, 2, 3, 4
)
INSERT INTO spend_2
SELECT run, day, model, provider, coalesce(operator, 0), 0, calls, answered, attempts, prompt_tokens, completion_tokens,
       cached_tokens, 0, 0, cost_pico, 0, 0, coalesce(estimated, 0), coalesce(unpriced, 0)
FROM spend LEFT JOIN one_operator USING (run) LEFT JOIN guessed USING (run, day, model, provider);
DROP TABLE spend;
ALTER TABLE spend_2 RENAME TO spend;
-- For ceilings by day and by key, which are asked for while money is spent.
CREATE INDEX spend_by_day ON spend (day);
CREATE INDEX spend_by_key ON spend (key_label, day);

UPDATE run_total SET estimated = coalesce((SELECT sum(spend.estimated) FROM spend WHERE spend.run = run_total.run), 0),
                     unpriced = coalesce((SELECT sum(spend.unpriced) FROM spend WHERE spend.run = run_total.run), 0);

-- What a model or provider was found not to take. The provider is a word, 0 for all of them; the schema is a
-- fingerprint, empty for any. The kind is text and its detail JSON, so that a later kind needs no later format.
CREATE TABLE lesson (
    id         INTEGER PRIMARY KEY,
    model      INTEGER NOT NULL,
    provider   INTEGER NOT NULL,
    dialect    INTEGER NOT NULL,
    schema     BLOB NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,                    -- what of it, where one model has several: a parameter, an effort
    detail     TEXT,
    learned_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    times      INTEGER NOT NULL,
    message    TEXT,
    UNIQUE (model, provider, dialect, schema, kind, subject)
) STRICT;

-- Money set aside before it is spent. What stands aside is amount_pico - recorded_pico, and never less than nothing.
-- Numbers are not used twice: a record that comes late must not count against the hold of somebody else.
CREATE TABLE hold (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    scope         TEXT NOT NULL,
    amount_pico   INTEGER NOT NULL,
    recorded_pico INTEGER NOT NULL DEFAULT 0,
    pid           INTEGER NOT NULL,              -- 0 once its holder has let go of it
    process_birth TEXT,
    taken_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX hold_by_scope ON hold (scope);

-- Tokens that answers took, counted in buckets of about an eighth of an octave. The schema is a fingerprint, empty for
-- none.
CREATE TABLE output_size (
    operator INTEGER NOT NULL,
    model    INTEGER NOT NULL,
    schema   BLOB NOT NULL,
    bucket   INTEGER NOT NULL,
    answers  INTEGER NOT NULL,
    tokens   INTEGER NOT NULL,
    largest  INTEGER NOT NULL,
    PRIMARY KEY (operator, model, schema, bucket)
) STRICT, WITHOUT ROWID;

-- Which rows took the answer of a call that another row asked for. The key is made like that of a call; the rows, from
-- first to last, are a list of spans.
CREATE TABLE shared_rows (
    id          INTEGER PRIMARY KEY,
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    rows        BLOB NOT NULL
) STRICT;
