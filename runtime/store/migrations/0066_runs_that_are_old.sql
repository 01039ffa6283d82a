-- Which records of runs may go, and what refers to them.
CREATE INDEX runs_by_end ON control.runs (ended_at);
CREATE INDEX runs_by_first_attempt ON control.runs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX versions_by_run ON control.versions (run_id);
