-- What real samples score that generated ones are not compared with: a perfect generator, at the sizes of a blueprint's scoring.

CREATE TABLE floors (
    blueprint TEXT NOT NULL REFERENCES blueprints (id),
    metric    TEXT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('finite', 'nan', 'inf', '-inf')),
    value     REAL,                      -- NULL exactly where kind is 'nan'
    std       REAL,
    protocol  INTEGER NOT NULL REFERENCES protocols (id),
    PRIMARY KEY (blueprint, metric, protocol),
    CHECK ((kind = 'nan') = (value IS NULL))
) STRICT, WITHOUT ROWID;

-- Time that sampling and scoring took, in seconds, over all its scorings. `seconds` is of training alone.
ALTER TABLE jobs ADD COLUMN scoring REAL NOT NULL DEFAULT 0;
