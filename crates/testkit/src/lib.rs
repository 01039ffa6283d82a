//! Testkit: turns a test into real servers: a private Postgres, product folders, running binaries.
