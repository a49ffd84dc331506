-- The cohorts that members of a cohort were in before: until it has a checkpoint of its own, it goes on from those that they left. It was one at most.
CREATE TABLE parents (
    cohort TEXT NOT NULL REFERENCES cohorts (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    parent TEXT NOT NULL,
    PRIMARY KEY (cohort, place)
) WITHOUT ROWID;

INSERT INTO parents (cohort, place, parent) SELECT id, 0, parent FROM cohorts WHERE parent IS NOT NULL;
ALTER TABLE cohorts DROP COLUMN parent;
