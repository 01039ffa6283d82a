//! Feeds: turns a product's plain change feed into what a client has heard that comes back where it was.

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What was heard of a dataset to which rows are only added.
#[derive(Default)]
pub struct Heard {
    /// The position with which each key came.
    pub keys: BTreeMap<String, i64>,
    /// How often the stream was opened.
    pub connections: u32,
    last: i64,
}

/// A client that follows a dataset, whatever happens to the product.
pub struct Follower {
    pub heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl Follower {
    pub fn start(base: &str, dataset: &str) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let url = format!("{base}/output/{dataset}/changes?after=0");
        Self { task: tokio::spawn(follow(url, Arc::clone(&heard))), heard }
    }

    /// Panics where it has heard something wrong; how many keys it has heard of.
    pub async fn count(&self) -> usize {
        assert!(!self.task.is_finished(), "the subscriber has heard something wrong");
        self.heard.lock().await.keys.len()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follow the changes, and come back where it was whenever the stream breaks.
async fn follow(url: String, heard: Arc<Mutex<Heard>>) {
    let http = Http::builder(TokioExecutor::new()).build_http::<String>();
    loop {
        let last = heard.lock().await.last;
        let request = http::Request::get(&url).header("last-event-id", last);
        let response = http.request(request.body(String::new()).unwrap()).await;
        if let Ok(response) = response
            && response.status().is_success()
        {
            heard.lock().await.connections += 1;
            let mut body = response.into_body().into_data_stream();
            let mut text = String::new();
            while let Some(Ok(piece)) = body.next().await {
                text.push_str(str::from_utf8(&piece).unwrap());
                while let Some((event, rest)) = text.split_once("\n\n") {
                    hear(event, &mut *heard.lock().await);
                    text = rest.to_owned();
                }
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn hear(event: &str, heard: &mut Heard) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let Some(id) = field("id:") else { return };
    let id: i64 = id.parse().unwrap();
    if field("event:") == Some("change") {
        let data: Value = serde_json::from_str(field("data:").unwrap()).unwrap();
        assert!(id > heard.last, "{id} after {}", heard.last);
        assert_eq!(data["operation"], "INSERT");
        let key = data["key"]["id"].as_str().unwrap().to_owned();
        assert!(heard.keys.insert(key, id).is_none(), "heard twice: {data}");
    }
    assert!(id >= heard.last, "{id} after {}", heard.last);
    heard.last = id;
}
