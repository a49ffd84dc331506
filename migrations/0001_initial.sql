-- Everything here can be rebuilt from the run directories (`sweep rebuild`), but for the sweeps' own text, which `sweep run` writes
-- there too. The views `results` and `history` are made by the program, since they have a column for each knob and metric.

CREATE TABLE sweeps (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    file       TEXT NOT NULL,           -- where the YAML was when it was last run
    source     TEXT NOT NULL,           -- the YAML itself
    updated_at REAL NOT NULL            -- seconds since the Unix epoch, like every time here
) STRICT;

CREATE TABLE blueprints (
    id        TEXT PRIMARY KEY,
    dataset   TEXT NOT NULL,
    objective TEXT NOT NULL,
    steps     INTEGER NOT NULL,
    json      TEXT NOT NULL             -- spec::blueprint::Blueprint
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id        TEXT PRIMARY KEY,
    blueprint TEXT NOT NULL REFERENCES blueprints (id),
    seed      INTEGER NOT NULL CHECK (seed >= 0),
    state     TEXT NOT NULL DEFAULT 'pending' CHECK (state IN
        ('pending', 'running', 'done', 'failed', 'diverged', 'collapsed', 'pruned', 'cancelled')),
    step      INTEGER NOT NULL DEFAULT 0,   -- steps done, as far as is known
    seconds   REAL,                         -- its share of its cohort's training time, once it has ended
    message   TEXT NOT NULL DEFAULT ''      -- why it failed or diverged
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_state ON jobs (state);

CREATE TABLE knobs (
    job   TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

-- Which jobs a sweep asks for. One job may stand in several sweeps, and under several variants of one.
CREATE TABLE entries (
    sweep    INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    ordinal  INTEGER NOT NULL,          -- place in the expanded file
    variant  TEXT NOT NULL,
    axes     TEXT NOT NULL,             -- JSON object: the swept keys of the variant with this job's values, seeds left out
    job      TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (sweep, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_job ON entries (job);

CREATE TABLE cohorts (
    id        TEXT PRIMARY KEY,
    ordinal   INTEGER NOT NULL UNIQUE,  -- counts up as cohorts are made: of two that hold a job, the later one has it
    blueprint TEXT NOT NULL REFERENCES blueprints (id),
    directory TEXT NOT NULL             -- relative to the home directory
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    cohort   TEXT NOT NULL REFERENCES cohorts (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    job      TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (cohort, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_job ON members (job);

CREATE TABLE attempts (
    cohort     TEXT NOT NULL REFERENCES cohorts (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,        -- counts from 1 in each cohort
    slot       TEXT NOT NULL,           -- as the orchestrator names it
    host       TEXT NOT NULL DEFAULT '',
    device     TEXT NOT NULL DEFAULT '',
    pid        INTEGER,
    started_at REAL NOT NULL,
    ended_at   REAL,
    outcome    TEXT CHECK (outcome IN ('finished', 'stopped', 'out_of_memory', 'failed', 'refused', 'died')),
                                        -- NULL while it runs
    message    TEXT NOT NULL DEFAULT '',
    stderr     TEXT NOT NULL DEFAULT '',-- the last lines, when it did not finish
    log_offset INTEGER NOT NULL DEFAULT 0,  -- bytes of its event log that are in this database
    log_events INTEGER NOT NULL DEFAULT 0,  -- events of it that are: the sequence number of the next one
    step       INTEGER NOT NULL DEFAULT 0,
    rate       REAL,                    -- model-steps per second, the last reported
    PRIMARY KEY (cohort, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE protocols (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE           -- how a score was measured; scores of different protocols are not comparable
) STRICT;

CREATE TABLE scores (
    job      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step     INTEGER NOT NULL,
    metric   TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('finite', 'nan', 'inf', '-inf')),
    value    REAL,                      -- NULL exactly where kind is 'nan'; ±inf is stored as itself
    std      REAL,                      -- over the splits of one scoring, where the metric has splits
    protocol INTEGER NOT NULL REFERENCES protocols (id),
    PRIMARY KEY (job, metric, step),
    CHECK ((kind = 'nan') = (value IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE samples (
    job  TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    path TEXT NOT NULL,                 -- PNG, relative to the home directory
    PRIMARY KEY (job, step)
) STRICT, WITHOUT ROWID;
