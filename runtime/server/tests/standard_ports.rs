//! The standard ports' schema is committed; `UPDATE=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test")]

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let path = terrane_testkit::repository().join("schema/product.graphql");
    let sdl = terrane_runtime::ports_sdl();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &sdl).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), sdl, "run `UPDATE=1 cargo test -p terrane-runtime`");
}
