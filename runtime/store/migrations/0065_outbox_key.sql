-- The key of a change is in its row; nothing has read it from here.
ALTER TABLE control.outbox DROP COLUMN key;
