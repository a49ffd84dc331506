-- Losses of a job over its training, and what its discriminators said: one row a job. They are read together and written together, and all
-- series of a job have their steps in common.
CREATE TABLE losses (
    job    TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    steps  TEXT NOT NULL,               -- JSON array of the steps, ascending
    series TEXT NOT NULL                -- JSON object: by the name of a series, an array with a value for each step: a number, "nan",
                                        -- "inf", "-inf", or null where it has none
);
