-- SQLite before 3.37 (of 2021; RHEL 9 has 3.34) cannot open a database with STRICT tables at all. Their rows are stored as those of others
-- are, and this program, the only one that writes, binds each value with the type of its column: the word can go from the text of the
-- tables, in the way that sqlite.org/lang_altertable.html (7) has for changes that leave what is stored as it is.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(replace(sql, ') STRICT, WITHOUT ROWID', ') WITHOUT ROWID'), ') STRICT', ')') WHERE type = 'table';
PRAGMA writable_schema = RESET;
-- So that other connections read the tables' texts again.
CREATE TABLE word (gone);
DROP TABLE word;
