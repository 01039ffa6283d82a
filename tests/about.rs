//! What products say of themselves and where their rows come from, over the whole mesh: on the gateway's pages, by its forms, and for
//! machines that ask for the same address; and an explorer that is closed.

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
const LD: (&str, &str) = ("accept", "application/ld+json");

struct Running {
    mesh: Mesh,
    state: tempfile::TempDir,
}

impl Running {
    /// The shipped mesh; nobody may know of cities unless they have signed in.
    async fn start(settings: &str) -> Self {
        let (state, root) = (state_directory(), repository());
        let products = state.path().join("products");
        copy_folder(&root.join("products"), &products).unwrap();
        let mut policy = OpenOptions::new().append(true).open(products.join("cities/policy.csv")).unwrap();
        policy.write_all(b"\np, anonymous, port:discovery, read, deny\n").unwrap();
        let config = state.path().join("gateway.yaml");
        std::fs::write(&config, settings).unwrap();
        let [products, config] = [products, config].map(|path| path.to_str().unwrap().to_owned());
        let folder = state.path().to_str().unwrap();
        let arguments = ["dev", "--port", "{port}", "--products", &products, "--config", &config, "--state", folder];
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

async fn post(client: &Client, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    client.send(Method::POST, path, &[&[FORM], headers].concat(), body.to_owned()).await
}

async fn links(client: &Client) -> Value {
    let asked = "{ product(id: \"countries\") { info { links { kind url } } } }";
    client.graphql(asked, json!({})).await["data"]["product"]["info"]["links"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_product_says_is_changed_on_its_page_and_seen_on_every_other() {
    let running = Running::start("{}").await;
    let (steward, anybody) = (running.client("ann", "steward"), running.mesh.client());
    let page = "/admin/countries/about";
    for other in [running.client("eve", "reader"), running.client("eve", "analyst"), anybody.clone()] {
        assert_eq!(other.get(page).await.status, StatusCode::NOT_FOUND);
    }
    let shown = steward.get(page).await;
    assert_eq!(shown.status, StatusCode::OK);
    let text = shown.text();
    for part in ["the folder&#39;s own", "the folder's own", "dataSharingAgreement", "Save links", "Choose a dataset"] {
        assert!(text.contains(part) || part.contains("&#39;"), "{part} is not in {text}");
    }
    // links: one is changed, one removed, one added; the others stay as they are
    let before = links(&anybody).await.as_array().unwrap().clone();
    let mut body = String::new();
    let encoded = |text: &str| url_encoded(text);
    for (at, link) in before.iter().enumerate() {
        let url = if at == 1 { "https://example.org/zanzibarium" } else { link["url"].as_str().unwrap() };
        body += &format!("kind={}&url={}&description=&", link["kind"].as_str().unwrap(), encoded(url));
        if at == 0 {
            body += "remove=1&";
        }
    }
    body += "kind=dataDictionary&url=mailto%3Aada%40example.org&description=Ask&kind=&url=&description=";
    let saved = post(&steward, &format!("{page}/links"), &[OWN], &body).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text());
    let location = saved.headers["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("/admin/countries/about?done=said"), "{location}");
    let after = links(&anybody).await.as_array().unwrap().clone();
    assert_eq!(after.len(), before.len());
    assert_eq!(after[0]["url"], "https://example.org/zanzibarium");
    assert_eq!(after.last().unwrap()["url"], "mailto:ada@example.org");
    let marketplace = anybody.get("/marketplace/countries").await.text();
    assert!(marketplace.contains("https://example.org/zanzibarium"), "{marketplace}");
    let told = steward.get(location.split('#').next().unwrap()).await.text();
    assert!(told.contains("the product says it from now on") && told.contains("changed here"), "{told}");

    // a description is found by a search at once
    let body = "purpose=A+zanzibarium+of+countries&usage=&limitations=";
    assert_eq!(post(&steward, &format!("{page}/description"), &[OWN], body).await.status, StatusCode::SEE_OTHER);
    let found = anybody.graphql("{ products(search: \"zanzibarium\") { id } }", json!({})).await;
    assert_eq!(found["data"]["products"], json!([{"id": "countries"}]), "{found}");
    assert!(anybody.get("/?q=zanzibarium").await.text().contains("A zanzibarium of countries"));

    // fields, one dataset at a time, and only those that are searched for
    let fields = steward.get(&format!("{page}?dataset=countries&q=population")).await.text();
    assert!(fields.contains("title-countries-population") && !fields.contains("title-countries-capital"), "{fields}");
    let body = "dataset=countries&field=population&title=Headcountings&description=";
    assert_eq!(post(&steward, &format!("{page}/element"), &[OWN], body).await.status, StatusCode::SEE_OTHER);
    let fields = steward.get(&format!("{page}?dataset=countries&q=population")).await.text();
    assert!(fields.contains("Headcountings") && fields.contains("The contract says:"), "{fields}");
    assert!(fields.contains("Back to the contract&#39;s own") || fields.contains("Back to the contract's own"));

    // what is wrong is told on the page, with what was filled in; other pages and other visitors change nothing
    let bad = "kind=dataDictionary&url=javascript%3Aalert(1)&description=Oh+no";
    let refused = post(&steward, &format!("{page}/links"), &[OWN], bad).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text().contains("is no address of a link") && refused.text().contains("Oh no"),
        "{}",
        refused.text()
    );
    let foreign = [("sec-fetch-site", "cross-site")];
    assert_eq!(post(&steward, &format!("{page}/links"), &foreign, "own=yes").await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&steward, &format!("{page}/nothing"), &[OWN], "own=yes").await.status, StatusCode::NOT_FOUND);
    let reader = running.client("eve", "reader");
    post(&reader, &format!("{page}/links"), &[OWN], "own=yes").await;
    assert_eq!(links(&anybody).await.as_array().unwrap()[0]["url"], "https://example.org/zanzibarium");

    // back to the folder's own, and all of it on record
    for (form, body) in [
        ("links", "own=yes"),
        ("description", "own=yes&purpose=x"),
        ("element", "own=yes&dataset=countries&field=population"),
    ] {
        assert_eq!(
            post(&steward, &format!("{page}/{form}"), &[OWN], body).await.status,
            StatusCode::SEE_OTHER,
            "{form}"
        );
    }
    assert_eq!(links(&anybody).await.as_array().unwrap(), &before);
    let text = steward.get(page).await.text();
    for part in ["A zanzibarium of countries", "Headcountings", "replaced", ">ann<", "Field population of countries"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let history = "{ aboutHistory(product: \"countries\") { element state putBy } }";
    let entries = steward.graphql(history, json!({})).await["data"]["aboutHistory"].as_array().unwrap().len();
    assert_eq!(entries, 6);
}

fn url_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_shown_and_pulled_on_their_page() {
    let running = Running::start("{}").await;
    let (steward, analyst) = (running.client("ann", "steward"), running.client("bob", "analyst"));
    let page = "/admin/countries/sources";
    let shown = steward.get(page).await.text();
    for part in [
        "countries-source",
        "official-names-source",
        "data/countries.csv",
        "0 3 * * *",
        "succeeded",
        "Pull now",
        "Files read",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let seen = analyst.get(page).await;
    assert!(seen.status == StatusCode::OK && !seen.text().contains("Pull now"), "an analyst sees, and pulls nothing");
    assert_eq!(running.client("eve", "reader").get(page).await.status, StatusCode::NOT_FOUND);
    let path = format!("{page}/countries-source/pull");
    let pulled = post(&steward, &path, &[OWN], "").await;
    assert_eq!(
        (pulled.status, pulled.headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/admin/countries/sources?done=pulling")
    );
    let runs = "{ product(id: \"countries\") { runs(first: 1) { trigger requestedBy } } }";
    let newest = steward.graphql(runs, json!({})).await["data"]["product"]["runs"][0].take();
    assert_eq!(newest, json!({"trigger": "manual", "requestedBy": "ann"}));
    assert_eq!(post(&steward, &path, &[("sec-fetch-site", "cross-site")], "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&analyst, &path, &[OWN], "").await.status, StatusCode::FORBIDDEN);
    let unknown = post(&steward, &format!("{page}/nothing/pull"), &[OWN], "").await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);

    // rows that are wrong, with their values for those who may read them
    let body = "code,name,latitude,longitude,wikipedia,geonameid\nQQ,Qq,far,2,x,1\n";
    let csv = [("content-type", "text/csv")];
    let sent = steward.send(Method::POST, "/products/continents/input/continents_raw?mode=append", &csv, body).await;
    let page = "/admin/continents/sources";
    let (whole, part) = (steward.get(page).await.text(), analyst.get(page).await.text());
    if sent.status == StatusCode::OK {
        // the input contract takes any text: the batch waits for a run
        assert!(whole.contains("waits for a run") && part.contains("waits for a run"), "{whole}");
    } else {
        assert!(whole.contains("batch refused") && whole.contains(">far<") && !part.contains(">far<"), "{whole}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_a_document_for_who_asks_for_one() {
    let running = Running::start("{}").await;
    let anybody = running.mesh.client();
    let document = async |client: &Client, path: &str| {
        let answer = client.send(Method::GET, path, &[LD], "").await;
        assert_eq!(
            (answer.status, answer.headers["content-type"].to_str().unwrap()),
            (StatusCode::OK, "application/ld+json"),
            "{path}"
        );
        assert!(answer.headers["vary"].to_str().unwrap().contains("accept"), "{:?}", answer.headers);
        answer.json()
    };
    let own = anybody.get("/catalog.jsonld").await.json();
    assert_eq!(document(&anybody, "/").await, own);
    let countries = document(&anybody, "/marketplace/countries").await;
    assert!(
        countries.to_string().contains("dcat:Dataset") && countries.to_string().contains("Countries"),
        "{countries}"
    );
    for accept in ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "application/ld+json;q=0.5, text/html"] {
        for path in ["/", "/marketplace/countries"] {
            let page = anybody.send(Method::GET, path, &[("accept", accept)], "").await;
            assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{accept}: {path}");
            assert!(page.headers["vary"].to_str().unwrap().contains("accept"), "{path}");
        }
    }
    // a machine is told no more than a page would say
    for path in ["/marketplace/cities", "/marketplace/nothing"] {
        assert_eq!(anybody.send(Method::GET, path, &[LD], "").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let reader = running.client("eve", "reader");
    assert!(document(&reader, "/marketplace/cities").await.to_string().contains("Cities"));
    assert!(
        document(&reader, "/").await.to_string().contains("/marketplace/cities") && !own.to_string().contains("cities")
    );

    // the feed of all products, each event once, and none of a product that the reader may not know of
    let sources = async |client: &Client| -> Vec<String> {
        let events = client.get("/events?first=1000").await;
        assert_eq!(events.headers["content-type"], "application/x-ndjson");
        let text = events.text();
        let event = |line: &str| serde_json::from_str::<Value>(line).unwrap()["source"].as_str().unwrap().to_owned();
        let mut sources: Vec<String> = text.lines().map(event).collect();
        sources.sort();
        sources.dedup();
        sources
    };
    let product = |name: &str| format!("{}/products/{name}", running.mesh.base());
    let open = ["continents", "countries", "earthquakes", "geography"].map(product);
    assert_eq!(sources(&anybody).await, open);
    assert!(sources(&reader).await.contains(&product("cities")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explorer_that_is_closed_is_nowhere() {
    let running = Running::start("explorer: false\n").await;
    let anybody = running.mesh.client();
    assert_eq!(anybody.get("/graphiql").await.status, StatusCode::NOT_FOUND);
    let steward = running.client("ann", "steward");
    for path in [
        "/",
        "/marketplace/countries",
        "/mesh",
        "/access",
        "/plan",
        "/admin",
        "/admin/countries/about",
        "/nothing",
        "/graphiql",
    ] {
        for client in [&anybody, &steward] {
            let page = client.send(Method::GET, path, &[("accept", "text/html")], "").await.text();
            assert!(page.contains("<html") && !page.contains("href=\"/graphiql"), "{path}: {page}");
        }
    }
    let answer = anybody.graphql("{ country(code: \"NO\") { name } }", json!({})).await;
    assert_eq!(answer["data"]["country"]["name"], "Norway", "the graph is served all the same");
}
