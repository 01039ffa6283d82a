//! Planning: turns a supergraph and a valid operation into a fetch plan. No IO.
