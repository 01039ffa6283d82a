//! The marketplace over the whole mesh: what is searched for, planned and asked for on its pages, with the visitor's identity.

#![allow(clippy::unwrap_used, reason = "a test")]

use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use terrane_testkit::{Answer, Client, Mesh, copy_folder, repository, state_directory};

const BINARY: &str = env!("CARGO_BIN_EXE_terrane");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");
const NORWAY: &str = "{ country(code: \"NO\") { population } }";

struct Running {
    mesh: Mesh,
    state: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let (state, root) = (state_directory(), repository());
        let products = state.path().join("products");
        copy_folder(&root.join("products"), &products).unwrap();
        // nobody may know of a product unless they have signed in
        let mut policy = OpenOptions::new().append(true).open(products.join("cities/policy.csv")).unwrap();
        policy.write_all(b"\np, anonymous, port:discovery, read, deny\n").unwrap();
        let [products, policies] = [products, root.join("policies")].map(|path| path.to_str().unwrap().to_owned());
        let folder = state.path().to_str().unwrap();
        let arguments =
            ["dev", "--port", "{port}", "--products", &products, "--policies", &policies, "--state", folder];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &state.path().join("mesh.log")).await;
        Self { mesh, state }
    }

    fn client(&self, subject: &str, role: &str) -> Client {
        let folder = self.state.path().to_str().unwrap();
        let arguments = ["token", "--subject", subject, "--role", role, "--state", folder];
        let made = Command::new(BINARY).args(arguments).output().unwrap();
        self.mesh.client().with_token(String::from_utf8(made.stdout).unwrap().trim())
    }
}

async fn ids(client: &Client, search: &str, filter: Value) -> Vec<String> {
    let query = "query($search: String, $filter: ProductFilter) { products(search: $search, filter: $filter) { id } }";
    let answer = client.graphql(query, json!({ "search": search, "filter": filter })).await;
    let products = answer["data"]["products"].as_array().unwrap_or_else(|| panic!("{answer}"));
    products.iter().map(|product| product["id"].as_str().unwrap().to_owned()).collect()
}

async fn post(client: &Client, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    client.send(Method::POST, path, &[&[FORM], headers].concat(), body.to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_found_filtered_and_shown() {
    let running = Running::start().await;
    let anybody = running.mesh.client();
    // mistyped, and in the order of how well they fit
    assert_eq!(ids(&anybody, "contries", json!({})).await[0], "countries");
    assert_eq!(ids(&anybody, "earthqake magnitude", json!({})).await, ["earthquakes"]);
    assert_eq!(ids(&anybody, "qqxzjvw", json!({})).await, Vec::<String>::new());
    let found = anybody.graphql("{ products(search: \"contries\") { matches { kind approximate } } }", json!({})).await;
    assert_eq!(found["data"]["products"][0]["matches"][0]["approximate"], true, "{found}");
    // only what the visitor may know about: neither by its name, nor in the picture, nor at its address
    let reader = running.client("eve", "reader");
    assert_eq!(ids(&reader, "cities", json!({})).await[0], "cities");
    assert!(!ids(&anybody, "cities", json!({})).await.contains(&"cities".to_owned()));
    for path in ["/", "/mesh", "/mesh.dot", "/?q=cities"] {
        assert!(!anybody.get(path).await.text().contains("/marketplace/cities"), "{path}");
        assert!(path.ends_with("dot") || reader.get(path).await.text().contains("/marketplace/cities"), "{path}");
    }
    for path in ["/marketplace/cities", "/marketplace/cities/access", "/marketplace/cities/columns.mmd"] {
        assert_eq!(anybody.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // filters take what fits all of them
    let all = ids(&anybody, "", json!({})).await;
    assert_eq!(ids(&anybody, "", json!({"domain": "geography", "status": "active"})).await.len(), {
        let answer = anybody.graphql("{ products { info { domain status } } }", json!({})).await;
        let fits =
            |info: &Value| info["domain"].as_str().unwrap().starts_with("geography") && info["status"] == "active";
        answer["data"]["products"].as_array().unwrap().iter().filter(|one| fits(&one["info"])).count()
    });
    assert_eq!(ids(&anybody, "", json!({"format": "parquet"})).await, all);
    assert_eq!(ids(&anybody, "", json!({"owner": "nobody"})).await, Vec::<String>::new());
    assert_eq!(ids(&anybody, "", json!({"freshness": "never"})).await, Vec::<String>::new());
    let page = anybody.get("/?q=contries&format=graphql").await.text();
    assert!(page.contains("match words that are like it") || page.contains("matches words that are like it"), "{page}");

    // what one may do with its ports
    let asks = "{ product(id: \"countries\") { portRights { object action } } }";
    let steward = running.client("sue", "steward");
    let rights = |answer: Value| answer["data"]["product"]["portRights"].as_array().unwrap().clone();
    assert_eq!(rights(anybody.graphql(asks, json!({})).await), [json!({"object": "port:discovery", "action": "read"})]);
    let held = rights(steward.graphql(asks, json!({})).await);
    for (object, action) in [("port:control", "admin"), ("port:control", "run"), ("port:audit", "read")] {
        assert!(held.contains(&json!({"object": object, "action": action})), "{held:?}");
    }

    // who reads whom
    let reads = anybody.graphql("{ productReads { product dataset by } }", json!({})).await;
    let reads = reads["data"]["productReads"].as_array().unwrap();
    assert!(reads.contains(&json!({"product": "countries", "dataset": "countries", "by": "geography"})), "{reads:?}");
    assert!(anybody.get("/mesh").await.text().contains("href=\"/marketplace/geography\""));
    assert!(anybody.get("/mesh.mmd").await.text().starts_with("flowchart LR\n"));

    // a product's page: rows as this visitor sees them, who reads it, what changed, where its columns come from
    let [shown, internal] = [anybody, running.client("ann", "analyst")]
        .map(|client| async move { client.get("/marketplace/countries").await.text() });
    let (shown, internal) = tokio::join!(shown, internal);
    for text in [
        "Sample rows, as you see them",
        "Andorra",
        "href=\"/marketplace/geography\"",
        "Version 1.",
        "Columns, across products",
    ] {
        assert!(shown.contains(text), "{text} is not in {shown}");
    }
    let column = "<th scope=\"col\">population</th>";
    assert_eq!((shown.contains(column), internal.contains(column)), (false, true));
    assert!(shown.contains("/marketplace/countries/access?field=countries.population"), "{shown}");
    let columns = running.mesh.client().get("/marketplace/geography/columns.dot").await.text();
    assert!(columns.contains("population → population"), "{columns}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_for_those_to_whom_the_mesh_shows_them() {
    let running = Running::start().await;
    let (steward, analyst) = (running.client("sue", "steward"), running.client("ann", "analyst"));
    let json_body = [("content-type", "application/json")];
    let body = json!({ "query": NORWAY }).to_string();
    let plan = steward.send(Method::POST, "/plan", &json_body, body.clone()).await;
    assert_eq!(plan.status, StatusCode::OK, "{}", plan.text());
    assert_eq!(plan.json()["plan"]["requests"][0]["subgraph"], "countries");
    let text = plan.json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("request countries") && text.contains("population"), "{text}");
    for client in [&analyst, &running.mesh.client()] {
        let refused = client.send(Method::POST, "/plan", &json_body, body.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(refused.json()["errors"][0]["extensions"]["code"], "FORBIDDEN");
        let page = client.get("/plan?query=%7B__typename%7D").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    let bad = steward.send(Method::POST, "/plan", &json_body, json!({ "query": "{ nothing }" }).to_string()).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let page = steward.get("/plan?query=%7Bcountry%28code%3A%22NO%22%29%7Bname%7D%7D").await;
    assert!(page.status.is_success() && page.text().contains("<figcaption>Plan</figcaption>"), "{}", page.text());
    // nothing is run, not even a change
    let change = json!({ "query": "mutation { runPipeline(product: \"countries\") { id } }" }).to_string();
    assert!(steward.send(Method::POST, "/plan", &json_body, change).await.status.is_success());
    let runs = "{ product(id: \"countries\") { runs { id } } }";
    let runs = steward.graphql(runs, json!({})).await;
    assert_eq!(runs["data"]["product"]["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_asked_for_approved_and_ended_on_pages() {
    let running = Running::start().await;
    let [eve, grace, auditor] =
        [("eve", "reader"), ("grace@example.org", "reader"), ("sue", "steward")].map(|(s, r)| running.client(s, r));
    let form = "/marketplace/countries/access";
    let page = eve.get(&format!("{form}?field=countries.population")).await.text();
    assert!(page.contains("Approved by grace@example.org.") && page.contains("value=\"countries.population\" checked"));
    let filled = "role=analyst&purpose=A+study+of+%3Cb%3E&for=1d";

    // a form of another page, or of nobody's, is not taken, and nothing was asked
    for headers in [&[][..], &[("sec-fetch-site", "cross-site")], &[("origin", "https://evil.example")]] {
        let refused = post(&eve, form, headers, filled).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    let mine = "{ accessRequests(product: \"countries\") { id state } }";
    assert_eq!(eve.graphql(mine, json!({})).await["data"]["accessRequests"], json!([]));
    // nobody has nothing to ask for
    assert!(running.mesh.client().get("/access").await.text().contains("Who are you?"));
    let nobody = post(&running.mesh.client(), form, &[OWN], filled).await;
    assert!(nobody.status.is_client_error(), "{}", nobody.status);
    // what can't be is said where it was filled in
    let vain = post(&eve, form, &[OWN], "role=nonsense&purpose=why+%22not%22&for=1d").await;
    assert_eq!(vain.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(vain.text().contains("role=\"alert\"") && vain.text().contains("why &#34;not&#34;"), "{}", vain.text());

    let asked = post(&eve, form, &[OWN], filled).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text());
    let location = asked.headers["location"].to_str().unwrap();
    assert!(location.starts_with("/access?done=asked#request-"), "{location}");
    let id = location.rsplit("#request-").next().unwrap().to_owned();
    let own = eve.get("/access?done=asked").await.text();
    assert!(own.contains("on its way") && own.contains("A study of &#60;b&#62;") && own.contains("Take it back"));
    let approve = format!("/access/countries/{id}/approve");
    assert!(!own.contains(&approve));
    // the approver is shown it, and the one who asked may not send what the approver may
    assert_eq!(post(&eve, &approve, &[OWN], "reason=").await.status, StatusCode::FORBIDDEN);
    assert!(grace.get("/access").await.text().contains(&approve));
    let population = async || eve.graphql(NORWAY, json!({})).await["data"]["country"]["population"].clone();
    assert_eq!(population().await, Value::Null);
    assert_eq!(
        post(&grace, &approve, &[("sec-fetch-site", "cross-site")], "reason=x").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(population().await, Value::Null);
    let approved = post(
        &grace,
        &approve,
        &[("origin", &running.mesh.base()), ("host", running.mesh.base().trim_start_matches("http://"))],
        "reason=fine",
    )
    .await;
    assert_eq!(approved.headers["location"], "/access?done=approved", "{}", approved.text());
    assert_ne!(population().await, Value::Null);

    // the auditor sees the record; who has it ends it
    let audited = auditor.get("/access").await.text();
    for text in ["Access of others", "eve: role analyst", "approved by grace@example.org, level 1", "fine"] {
        assert!(audited.contains(text), "{text} is not in {audited}");
    }
    let ended = post(&eve, &format!("/access/countries/{id}/revoke"), &[OWN], "reason=done").await;
    assert_eq!(ended.headers["location"], "/access?done=revoked", "{}", ended.text());
    assert_eq!(population().await, Value::Null);
    assert_eq!(post(&eve, &format!("/access/countries/{id}/nonsense"), &[OWN], "").await.status, StatusCode::NOT_FOUND);
}
