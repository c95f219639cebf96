-- The first format of the ledger.
-- Calls and attempts have no index but their own key: the run's number stands in the upper bits of the key and the
-- position in the run in the lower 36, so that a run's entries lie side by side and in order.
-- Money is in pico-dollars (10^-12 dollar), moments are milliseconds since 1970 UTC, days are days since 1970 UTC.

-- Strings that come again and again (models, providers, operators, strategies, kinds of failure).
CREATE TABLE word (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE run (
    number        INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    command       TEXT NOT NULL,
    query         TEXT NOT NULL,
    settings      TEXT NOT NULL,
    engine        TEXT NOT NULL,
    model         TEXT NOT NULL,
    pid           INTEGER NOT NULL,
    process_birth TEXT,
    started_ms    INTEGER NOT NULL,
    ended_ms      INTEGER,
    state         INTEGER NOT NULL DEFAULT 0,   -- 0 running, 1 completed, 2 interrupted, 3 budget reached, 4 failed
    rows          INTEGER,
    note          TEXT
) STRICT;

-- Sums over a run's calls, kept with every commit, so that a list of runs reads no calls.
CREATE TABLE run_total (
    run               INTEGER PRIMARY KEY,
    calls             INTEGER NOT NULL,
    answered          INTEGER NOT NULL,
    from_memory       INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    rows_served       INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,
    cost_pico         INTEGER NOT NULL
) STRICT;

CREATE TABLE call (
    id               INTEGER PRIMARY KEY,
    fingerprint      BLOB NOT NULL,
    operator         INTEGER NOT NULL,
    row              INTEGER NOT NULL,
    outcome          INTEGER NOT NULL,          -- 0 answered, 1 from memory, 2 failed
    kind             INTEGER,
    message          TEXT,
    input            TEXT NOT NULL,
    input_characters INTEGER NOT NULL,
    first_attempt    INTEGER NOT NULL,
    attempts         INTEGER NOT NULL
) STRICT;
CREATE INDEX failed_call ON call (id) WHERE outcome = 2;

CREATE TABLE attempt (
    id                INTEGER PRIMARY KEY,
    started_ms        INTEGER NOT NULL,
    duration_ms       INTEGER NOT NULL,
    model_asked       INTEGER NOT NULL,
    model_served      INTEGER,
    provider          INTEGER,
    strategy          INTEGER NOT NULL,
    http_status       INTEGER,
    fault             INTEGER,
    message           TEXT,
    remedy            TEXT,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,
    cost_pico         INTEGER NOT NULL,
    cost_source       INTEGER NOT NULL,         -- 0 reported, 1 estimated, 2 unknown
    generation_id     TEXT
) STRICT;

-- Answers stand in the order in which they came, with a small index over the fingerprints: fingerprints are random, and
-- a table ordered by them would touch a page of bodies for every answer (measured: half as much processor time again).
CREATE TABLE answer (
    fingerprint       BLOB NOT NULL UNIQUE,
    body              TEXT NOT NULL,
    model             INTEGER NOT NULL,
    provider          INTEGER,
    cost_pico         INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,
    created_ms        INTEGER NOT NULL,
    repaired          INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_by_age ON answer (created_ms);

-- Further rows of a run that took the answer of one of its calls. Beside the call rather than in it, because nothing
-- finds a call by its fingerprint and few calls are shared.
CREATE TABLE shared (
    run         INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    rows        INTEGER NOT NULL,
    PRIMARY KEY (run, fingerprint)
) STRICT, WITHOUT ROWID;

-- What attempts cost, summed with every commit. Model and provider are words, 0 where not known.
CREATE TABLE spend (
    run               INTEGER NOT NULL,
    day               INTEGER NOT NULL,
    model             INTEGER NOT NULL,
    provider          INTEGER NOT NULL,
    calls             INTEGER NOT NULL,
    answered          INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,
    cost_pico         INTEGER NOT NULL,
    PRIMARY KEY (run, day, model, provider)
) STRICT, WITHOUT ROWID;
