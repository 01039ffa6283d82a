//! Probes: ready is no before there is something to serve, then yes, then no while the process ends; live is always yes.

use crate::support::{BINARY, ask, product};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use terrane_testkit::{Mesh, fresh_database, product_folder, state_directory};

/// Status and words of both probes.
async fn probes(mesh: &Mesh) -> Option<(u16, u16, String)> {
    let client = mesh.client();
    let live = client.try_send(http::Method::GET, "/health/live", &[], "").await.ok()?;
    let ready = client.try_send(http::Method::GET, "/health/ready", &[], "").await.ok()?;
    Some((live.status.as_u16(), ready.status.as_u16(), ready.text()))
}

/// Ask until the process answers.
async fn first_probes(mesh: &Mesh) -> (u16, u16, String) {
    loop {
        if let Some(probes) = probes(mesh).await {
            return probes;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn tell_to_end(mesh: &Mesh) {
    assert!(Command::new("kill").args(["-TERM", &mesh.pid().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_product_is_ready_when_a_version_is_published_and_not_while_it_ends() {
    let folder = state_directory();
    // what it reads from is not there, so its run fails
    let (geography, database) = (product_folder("geography"), fresh_database().await);
    let nowhere = "continents=http://127.0.0.1:1/graphql,countries=http://127.0.0.1:1/graphql";
    let arguments = [
        "product",
        geography.to_str().unwrap(),
        "--listen",
        "127.0.0.1:{port}",
        "--database-url",
        &database,
        "--upstream",
        nowhere,
    ];
    let waiting = Mesh::spawn(Path::new(BINARY), &arguments, &folder.path().join("geography.log"));
    assert_eq!(first_probes(&waiting).await, (200, 503, "nothing is published yet\n".to_owned()));

    let mut product = product(folder.path(), &[("TERRANE_SHUTDOWN_DELAY", "3")]).await;
    assert_eq!(probes(&product).await, Some((200, 200, "ready\n".to_owned())));
    tell_to_end(&product);
    while probes(&product).await.is_some_and(|(_, ready, _)| ready == 200) {}
    assert_eq!(probes(&product).await, Some((200, 503, "stopping\n".to_owned())));
    ask(&product, &[]).await;
    assert!(product.end_by_itself(), "{}", product.output());
}

#[tokio::test]
async fn a_gateway_is_ready_when_there_is_a_graph_and_not_while_it_ends() {
    let folder = state_directory();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.path().join("gateway.yaml");
    let settings = |subgraph: &str| {
        let text = format!(
            "subgraphs: [{{name: continents, url: \"{subgraph}/graphql\"}}]\nserver: {{shutdown_delay_seconds: 3}}\n"
        );
        std::fs::write(&config, text).unwrap();
    };
    settings(&format!("http://127.0.0.1:{port}"));
    let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
    let mut gateway = Mesh::spawn(Path::new(BINARY), &arguments, &folder.path().join("gateway.log"));
    assert_eq!(first_probes(&gateway).await, (200, 503, "there is no graph yet\n".to_owned()));

    let product = product(folder.path(), &[]).await;
    settings(&product.base());
    gateway.await_ready(Duration::from_secs(60)).await;
    assert_eq!(probes(&gateway).await, Some((200, 200, "ready\n".to_owned())));
    ask(&gateway, &[]).await;
    tell_to_end(&gateway);
    while probes(&gateway).await.is_some_and(|(_, ready, _)| ready == 200) {}
    assert_eq!(probes(&gateway).await, Some((200, 503, "stopping\n".to_owned())));
    ask(&gateway, &[]).await;
    assert!(gateway.end_by_itself(), "{}", gateway.output());
}
