//! Standbys: turns a running server into a second one that streams from it, on the same machine.

use crate::cluster::{self, Cluster};
use crate::process::Process;
use crate::{Options, PostgresError, Server, binaries};
use std::process::{Command, Stdio};

impl Server {
    /// Copy this server's data into `options.state` and start a hot standby there: it replays what this server writes,
    /// and answers reads. For trying out and testing replicas; it ends like any server that we start.
    ///
    /// # Errors
    /// [`PostgresError`]: no server binaries, or the copy failed; the program's own words are in it.
    pub fn standby(&self, options: &Options, progress: &dyn Fn(&str)) -> Result<Self, PostgresError> {
        let binaries = binaries::locate(options.cache.as_deref(), progress)?;
        let primary = self.admin_url();
        let cluster = cluster::prepare_with(options, &binaries, |place| {
            progress("copying the primary's data");
            let data = place.root.join("data");
            let mut command = Command::new(binaries.program("pg_basebackup"));
            command.arg("--pgdata").arg(&data).args(["--write-recovery-conf", "--wal-method=stream"]);
            command.args(["--checkpoint=fast", "--no-password", "--dbname", &primary]);
            command.stdin(Stdio::null()).env("LC_ALL", "C");
            place.account.apply(&mut command);
            let failed = |status: String, output: String| PostgresError::Program {
                program: "pg_basebackup".to_owned(),
                status,
                output,
            };
            let output = command.output().map_err(|e| failed(e.to_string(), String::new()))?;
            if output.status.success() {
                return Ok(());
            }
            Err(failed(output.status.to_string(), String::from_utf8_lossy(&output.stderr).into_owned()))
        })?;
        self.started(cluster, &binaries, options)
    }

    fn started(&self, cluster: Cluster, binaries: &crate::Binaries, options: &Options) -> Result<Self, PostgresError> {
        let mut base = cluster.url();
        // the copy has the primary's users and passwords
        let password = self.base.password().map(str::to_owned);
        // an error means that the URL has no host, and ours has one
        let _ = base.set_password(password.as_deref());
        let process = Process::start(binaries, cluster, options.durable)?;
        let description = format!("a standby, PostgreSQL {}", binaries.version);
        Ok(Self { base, process: Some(process), recovered: false, description })
    }
}
