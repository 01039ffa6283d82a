//! Products and gateway as processes of their own: over HTTP, on databases of their own, with one of them going away.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use terrane_testkit::{Mesh, fresh_database, product_folder, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

async fn product(name: &str, upstreams: &str, logs: &Path) -> Mesh {
    let (folder, database) = (product_folder(name), fresh_database().await);
    let arguments = [
        "product",
        folder.to_str().unwrap(),
        "--listen",
        "127.0.0.1:{port}",
        "--database-url",
        &database,
        "--jwt-secret",
        SECRET,
        "--upstream",
        upstreams,
    ];
    Mesh::start(Path::new(BINARY), &arguments, &logs.join(format!("{name}.log"))).await
}

fn token(role: &str) -> String {
    let made = Command::new(BINARY).args(["token", "--role", role]).env("TERRANE_JWT_SECRET", SECRET).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_product_that_is_down_costs_its_own_fields_and_nothing_else() {
    let logs = state_directory();
    let continents = product("continents", "", logs.path()).await;
    let mut countries = product("countries", "", logs.path()).await;
    let upstreams = format!("continents={}/graphql,countries={}/graphql", continents.base(), countries.base());
    let geography = product("geography", &upstreams, logs.path()).await;
    let config = logs.path().join("gateway.yaml");
    let subgraph =
        |name: &str, mesh: &Mesh| format!("  - {{name: {name}, url: \"{}/graphql\", product: true}}\n", mesh.base());
    let text = format!(
        "subgraphs:\n{}{}{}auth: {{jwt: {{secret: {SECRET}}}}}\npoll_seconds: 1\n",
        subgraph("continents", &continents),
        subgraph("countries", &countries),
        subgraph("geography", &geography)
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
    let gateway = Mesh::start(Path::new(BINARY), &arguments, &logs.path().join("gateway.log")).await;
    let client = gateway.client().with_token(token("analyst"));
    let query = "{ continent(code: \"EU\") { name facts { countryCount } countries(first: 1) { nodes { name } } } }";
    let whole = client.graphql(query, json!({})).await;
    assert_eq!(whole.get("errors"), None, "{whole}");
    let europe =
        json!({"name": "Europe", "facts": {"countryCount": 53}, "countries": {"nodes": [{"name": "Andorra"}]}});
    assert_eq!(whole["data"]["continent"], europe);

    countries.end("KILL");
    let partial = client.graphql(query, json!({})).await;
    assert_eq!(
        partial["data"]["continent"],
        json!({"name": "Europe", "facts": {"countryCount": 53}, "countries": null})
    );
    let error = &partial["errors"][0];
    assert_eq!(error["path"], json!(["continent", "countries"]));
    assert_eq!(error["extensions"]["serviceName"], "countries");
    assert!(!error["message"].as_str().unwrap().contains("127.0.0.1"), "{error}");
    let products = client.graphql("{ products { id available problem } }", json!({})).await;
    let down: Vec<&Value> =
        products["data"]["products"].as_array().unwrap().iter().filter(|p| p["available"] == false).collect();
    assert_eq!(down.len(), 1, "{products}");
    assert_eq!(down[0]["id"], "countries");
    assert_eq!(gateway.client().get("/health/ready").await.status, 200);
}
