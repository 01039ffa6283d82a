//! Testkit: turns a test into real servers: a private Postgres, product folders, running binaries.
//!
//! One Postgres server per test process, one fresh database per test; nothing is shared between tests but the server.

mod binary;
mod client;
mod database;
mod events;
mod folders;
mod killable;
mod memory;
mod nats;
mod redis;

pub use binary::Mesh;
pub use client::{Answer, Client};
pub use database::{Replicated, fresh_database, server_log};
pub use events::Events;
pub use folders::{copy_folder, product_folder, repository, state_directory};
pub use memory::resident;
pub use nats::NatsServer;
pub use redis::RedisServer;

/// Items of a test that need servers which a machine may not have: they are there with the feature `servers` of this crate, which
/// is one of it alone so that nothing but tests is built anew with it.
#[cfg(feature = "servers")]
#[macro_export]
macro_rules! with_servers {
    ($($item:item)*) => { $($item)* };
}

/// Items of a test that need servers which a machine may not have: without the feature `servers` of this crate, none.
#[cfg(not(feature = "servers"))]
#[macro_export]
macro_rules! with_servers {
    ($($item:item)*) => {};
}
