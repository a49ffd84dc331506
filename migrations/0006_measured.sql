-- What is measured is no part of a job: an entry of a sweep asks for a job and for scores of it, and a score is of a job, a step and what was
-- asked for. Ids of jobs and blueprints are others for that; the program gives them after this, in `store/former.rs`.

-- Ways of scoring: a list of spec::blueprint::Score. Of a metric that several name, the last counts.
CREATE TABLE scorings (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE
);

-- What can be asked for of one metric: spec::blueprint::Score::asked.
CREATE TABLE asks (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE
);

-- What a way of scoring asks for.
CREATE TABLE asked (
    scoring INTEGER NOT NULL REFERENCES scorings (id),
    metric  TEXT NOT NULL,
    ask     INTEGER NOT NULL REFERENCES asks (id),
    PRIMARY KEY (scoring, metric)
) WITHOUT ROWID;

INSERT INTO scorings (id, json) VALUES (0, '[]');
INSERT INTO asks (id, json) VALUES (0, '{}');

ALTER TABLE entries ADD COLUMN scoring INTEGER NOT NULL DEFAULT 0; -- of `scorings`
ALTER TABLE cohorts ADD COLUMN scoring INTEGER NOT NULL DEFAULT 0; -- of `scorings`

-- What jobs were called by earlier programs, whose files call them so.
CREATE TABLE renamed (
    was TEXT PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs (id)
) WITHOUT ROWID;

CREATE TABLE scores_asked (
    job      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step     INTEGER NOT NULL,
    metric   TEXT NOT NULL,
    ask      INTEGER NOT NULL REFERENCES asks (id),
    kind     TEXT NOT NULL CHECK (kind IN ('finite', 'nan', 'inf', '-inf')),
    value    REAL,                      -- NULL exactly where kind is 'nan'; ±inf is stored as itself
    std      REAL,                      -- over the splits of one scoring, where the metric has splits
    protocol INTEGER NOT NULL REFERENCES protocols (id),
    PRIMARY KEY (job, metric, step, ask),
    CHECK ((kind = 'nan') = (value IS NULL))
) WITHOUT ROWID;
INSERT INTO scores_asked SELECT job, step, metric, 0, kind, value, std, protocol FROM scores;
DROP VIEW IF EXISTS results;
DROP VIEW IF EXISTS history;
DROP TABLE scores;
ALTER TABLE scores_asked RENAME TO scores;
