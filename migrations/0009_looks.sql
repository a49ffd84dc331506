-- The looks of a sweep that adds seeds until its comparisons are decided, those of earlier declarations among them: a JSON array of
-- spec::race::Look.
ALTER TABLE sweeps ADD COLUMN looks TEXT NOT NULL DEFAULT '[]';
