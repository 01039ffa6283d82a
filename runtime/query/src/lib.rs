//! Query: turns a contract into a GraphQL schema, and an operation into one SQL statement with a row layout. No IO.
