-- What a cohort is a part of: the larger cohort from whose checkpoint it goes on.
ALTER TABLE cohorts ADD COLUMN parent TEXT;

-- Cancelled there: the cohort goes on without this member, and should it be tried again, it is in another cohort.
ALTER TABLE members ADD COLUMN gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1));

-- What a worker had to put up with, one a line.
ALTER TABLE attempts ADD COLUMN warnings TEXT NOT NULL DEFAULT '';

-- The home directory whose runs this database has, absolute; one row at most.
CREATE TABLE home (
    path TEXT NOT NULL
) STRICT;
