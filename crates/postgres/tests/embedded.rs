//! A real embedded server: starts, takes a password, recovers after its owner was killed, refuses a second owner.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;
use terrane_postgres::{Options, PostgresError, Server};

fn options(state: &Path) -> Options {
    Options { external: None, state: state.to_path_buf(), cache: None, durable: true }
}

/// A directory that the server's account can reach, as `/tmp` is.
fn state() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode).unwrap();
    dir
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !matches!(stat.rsplit(')').next().and_then(|r| r.split_whitespace().next()), Some("Z" | "X")))
}

#[test]
fn runs_unprivileged_with_a_password_and_leaves_nothing_behind() {
    let dir = state();
    let server = Server::obtain(&options(dir.path()), &|_| {}).unwrap();
    assert!(!server.recovered());
    let pid = server.pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let uid = status.lines().find(|l| l.starts_with("Uid:")).unwrap();
    assert!(uid.split_whitespace().skip(1).all(|id| id != "0"), "{uid}");
    let url = url::Url::parse(&server.url("postgres")).unwrap();
    assert_eq!(url.password().unwrap().len(), 32);
    let again = Server::obtain(&options(dir.path()), &|_| {});
    assert!(matches!(again, Err(PostgresError::InUse(_))), "{again:?}");
    server.stop();
    assert!(!is_alive(pid));
    let second = Server::obtain(&options(dir.path()), &|_| {}).unwrap();
    assert!(!second.recovered());
}

#[test]
fn survives_a_killed_server() {
    let dir = state();
    let server = Server::obtain(&options(dir.path()), &|_| {}).unwrap();
    let pid = server.pid().unwrap();
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    drop(server);
    let second = Server::obtain(&options(dir.path()), &|_| {}).unwrap();
    assert!(second.recovered());
    assert!(is_alive(second.pid().unwrap()));
}

#[test]
fn a_url_of_another_scheme_is_refused() {
    let mut options = options(Path::new("/nonexistent"));
    options.external = Some("mysql://x".to_owned());
    let error = Server::obtain(&options, &|_| {}).unwrap_err().to_string();
    assert!(error.contains("`mysql`"), "{error}");
}
