-- Parameters of a trainer of the user's own are words, flags and lists, too: `value` is what SQL can make of one (a number, a text, 0 or 1 of a
-- flag, a list as JSON), and `json` is what it is, where that is no number. Its parameters and scores are columns of `results`.

CREATE TABLE parameters_plain (
    job   TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    value,
    json  TEXT,
    PRIMARY KEY (job, name)
) WITHOUT ROWID;
INSERT INTO parameters_plain SELECT job, name, value, NULL FROM parameters;
DROP VIEW IF EXISTS results;
DROP VIEW IF EXISTS history;
DROP TABLE parameters;
ALTER TABLE parameters_plain RENAME TO parameters;

-- What sweeps have declared, in the order in which they did.
CREATE TABLE declared (
    id   INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('parameter', 'score')),
    name TEXT NOT NULL,
    UNIQUE (kind, name)
);

-- Jobs of one blueprint that are done, where a longer one may go on from their states.
CREATE INDEX jobs_by_blueprint ON jobs (blueprint, state);
