//! Execution: turns a fetch plan and transports into response bytes.
