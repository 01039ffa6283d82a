//! Targets: turns a connection URL into where a server is and who connects.

use crate::DriverError;
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use url::Url;

/// A server, a database, and who connects to it with which settings.
#[derive(Clone)]
pub struct Target {
    pub(crate) address: Address,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) database: String,
    /// Run-time parameters of the session: `statement_timeout`, `role`, ….
    pub(crate) settings: Vec<(String, String)>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

const PORT: u16 = 5432;

impl Target {
    /// Read `postgres://user:password@host:port/database`; a socket's directory may be the `host`, percent-encoded or as
    /// a parameter. `settings` are run-time parameters of every session.
    ///
    /// # Errors
    /// [`DriverError::Url`]: another scheme, no user, or encryption demanded, which this driver does not have.
    pub fn from_url(text: &str, settings: &[(&str, &str)]) -> Result<Self, DriverError> {
        let wrong = |what: &str| DriverError::Url(what.to_owned());
        let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(wrong("it does not begin with postgres://"));
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut host = url.host_str().map_or_else(String::new, decoded);
        let mut port = url.port().unwrap_or(PORT);
        let mut user = decoded(url.username());
        let mut password = url.password().map(decoded);
        let mut database = decoded(url.path().trim_start_matches('/'));
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "host" | "hostaddr" => host = value.into_owned(),
                "port" => port = value.parse().map_err(|_| wrong("its port is no number"))?,
                "user" => user = value.into_owned(),
                "password" => password = Some(value.into_owned()),
                "dbname" => database = value.into_owned(),
                "sslmode" if ["require", "verify-ca", "verify-full"].contains(&value.as_ref()) => {
                    return Err(wrong(
                        "it demands TLS, which is not built in; connect through a socket or a private network",
                    ));
                }
                _ => {}
            }
        }
        if user.is_empty() {
            return Err(wrong("it names no user"));
        }
        if database.is_empty() {
            database.clone_from(&user);
        }
        let address = match host.as_str() {
            "" => Address::Tcp("localhost".to_owned(), port),
            path if path.starts_with('/') => Address::Unix(PathBuf::from(path).join(format!(".s.PGSQL.{port}"))),
            host => Address::Tcp(host.to_owned(), port),
        };
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Ok(Self { address, user, password, database, settings })
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the password stays out of logs
        f.debug_struct("Target")
            .field("address", &self.address)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_sockets_and_escapes() {
        let read = |url| Target::from_url(url, &[]).unwrap();
        let plain = read("postgres://me:p%40ss@db.example:5433/shop");
        assert_eq!(plain.address, Address::Tcp("db.example".into(), 5433));
        assert_eq!((plain.password.as_deref(), plain.database.as_str()), (Some("p@ss"), "shop"));
        let socket = Address::Unix(PathBuf::from("/run/pg/.s.PGSQL.5432"));
        assert_eq!(read("postgres://me@localhost/x?host=/run/pg").address, socket);
        assert_eq!(read("postgres://me@%2Frun%2Fpg/x").address, socket);
        assert_eq!(read("postgresql://me@h").database, "me");
    }

    #[test]
    fn says_what_is_wrong() {
        for url in ["mysql://a@b/c", "postgres://h/x", "no url", "postgres://a@h/x?sslmode=require"] {
            assert!(matches!(Target::from_url(url, &[]), Err(DriverError::Url(_))), "{url}");
        }
    }
}
