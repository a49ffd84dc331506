-- What tells the jobs of one blueprint apart is called as everywhere else. SQLite changes the views that read it along.
ALTER TABLE knobs RENAME TO parameters;
