//! Postgres: turns "I need a database" into a running, private server (or the one that `DATABASE_URL` names).
