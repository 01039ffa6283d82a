//! Authentication: turns an `authorization` header into a caller (subject, roles, claims).
