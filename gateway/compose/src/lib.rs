//! Composition: turns subgraph SDLs into a supergraph and an API schema, or into all the diagnostics. No IO.
