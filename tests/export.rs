//! `terrane export`: files of a running product and of a folder, resumed, refused with what to do — through the real binary.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::Method;
use std::path::Path;
use std::process::{Command, Output};
use terrane_testkit::{Mesh, fresh_database, product_folder, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

fn export(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("export").args(arguments).current_dir(folder).env("TERRANE_JWT_SECRET", SECRET);
    command.env_remove("DATABASE_URL").env_remove("TERRANE_TOKEN").env_remove("TERRANE_URL").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn datasets_become_files_and_interrupted_ones_are_gone_on_with() {
    let scratch = state_directory();
    let here = scratch.path();
    let (product, database) = (product_folder("cities"), fresh_database().await);
    let product = product.to_str().unwrap();
    let arguments =
        ["product", product, "--listen", "127.0.0.1:{port}", "--database-url", &database, "--jwt-secret", SECRET];
    let mut mesh = Mesh::start(Path::new(BINARY), &arguments, &here.join("cities.log")).await;
    let base = mesh.base();

    let done = export(here, &["cities", "--from", &base, "--role", "analyst"]);
    assert!(done.status.success(), "{done:?}");
    let whole = std::fs::read(here.join("cities.csv")).unwrap();
    assert_eq!(said(&done), format!("cities.csv: {} bytes\n", whole.len()), "quiet where nobody watches");
    assert_eq!(whole.iter().filter(|b| **b == b'\n').count(), 135_234);

    // a part of the same version is gone on with, one of another is not
    let token = Command::new(BINARY).args(["token", "--role", "analyst"]).env("TERRANE_JWT_SECRET", SECRET).output();
    let token = String::from_utf8(token.unwrap().stdout).unwrap();
    let client = mesh.client().with_token(token.trim());
    let head = client.send(Method::HEAD, "/output/cities.csv", &[], "").await;
    let etag = head.headers["etag"].to_str().unwrap().to_owned();
    for (part, tag) in [
        (&whole[..whole.len() / 2], etag.as_str()),
        (&whole[..], etag.as_str()),
        (b"something else".as_slice(), "\"0-older\""),
    ] {
        std::fs::write(here.join("again.csv.part"), part).unwrap();
        std::fs::write(here.join("again.csv.part.etag"), tag).unwrap();
        let resumed =
            export(here, &["cities.csv", "--from", &base, "--role", "analyst", "-o", "again.csv", "--resume"]);
        assert!(resumed.status.success(), "{resumed:?}");
        assert_eq!(std::fs::read(here.join("again.csv")).unwrap(), whole);
        assert!(!here.join("again.csv.part").exists() && !here.join("again.csv.part.etag").exists());
    }

    let few = [
        "cities.ndjson",
        "--from",
        &base,
        "--fields",
        "name",
        "--filter",
        r#"{"countryCode": {"in": ["NO", "NA"]}, "isCapital": {"eq": true}}"#,
        "--order",
        "country_code desc",
        "--limit",
        "1",
        "-o",
        "-",
    ];
    let few = export(here, &few);
    assert_eq!(String::from_utf8_lossy(&few.stdout), "{\"name\":\"Oslo\"}\n");

    for (arguments, expected) in [
        (vec!["cities.csv", "--from", base.as_str(), "--fields", "population"], "FORBIDDEN"),
        (vec!["cities.csv", "--from", base.as_str(), "--fields", "population"], "--role"),
        (vec!["towns.csv", "--from", base.as_str()], "UNKNOWN_DATASET: there is no output dataset `towns`"),
        (vec!["cities.xls", "--from", base.as_str()], "UNSUPPORTED_FORMAT"),
        (vec!["cities.csv", "--from", base.as_str(), "--token", "nonsense"], "UNAUTHENTICATED"),
        (vec!["cities.csv", "--from", "nowhere"], "write http://HOST:PORT"),
        (vec!["cities.csv", "-o", "-", "--resume"], "--resume needs a file"),
        (vec!["a/b/c.csv"], "PRODUCT/DATASET.FORMAT"),
    ] {
        let refused = export(here, &arguments);
        assert!(!refused.status.success() && said(&refused).contains(expected), "{arguments:?}: {refused:?}");
    }
    assert!(!here.join("towns.csv").exists() && !here.join("towns.csv.part").exists());

    // without a server: the product's own ports over its database
    mesh.end("TERM");
    let arguments =
        ["cities.parquet", "--product", product, "--database-url", &database, "--role", "reader", "--limit", "10"];
    let local = export(here, &arguments);
    assert!(local.status.success(), "{local:?}");
    assert!(std::fs::read(here.join("cities.parquet")).unwrap().starts_with(b"PAR1"));
    let gone = export(here, &["cities.csv", "--from", &base]);
    assert!(said(&gone).contains("nothing answers at") && said(&gone).contains("--from"), "{gone:?}");
}
