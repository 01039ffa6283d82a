//! Settings: turns the address of a NATS server into a connection that comes back by itself.

use crate::JetStreamError;
use async_nats::jetstream::{self, Context};
use std::path::PathBuf;

/// Where the NATS server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// `nats://HOST:PORT`, or several with commas between them.
    pub url: String,
    /// A file with credentials (a JWT and a seed).
    pub credentials: Option<PathBuf>,
}

impl NatsSettings {
    /// Connect, under a name that the server shows.
    ///
    /// # Errors
    /// [`JetStreamError::Broker`].
    pub async fn connect(&self, name: &str) -> Result<Context, JetStreamError> {
        let what = "connect to the NATS server";
        let mut options = async_nats::ConnectOptions::new().name(name);
        if let Some(file) = &self.credentials {
            options = options.credentials_file(file).await.map_err(JetStreamError::on("read the NATS credentials"))?;
        }
        let servers: Vec<String> = self.url.split(',').map(|url| url.trim().to_owned()).collect();
        let client = options.connect(servers).await.map_err(JetStreamError::on(what))?;
        Ok(jetstream::new(client))
    }
}
