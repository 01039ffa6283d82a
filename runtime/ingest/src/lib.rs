//! Ingest: turns sources and request bodies into rows of the input layer.
