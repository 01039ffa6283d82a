//! Accounts: turns what is noted of a request on its way into the text of its record.

use super::origin::Origin;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use terrane_graphql::GraphqlError;
use terrane_graphql::json::{write_i64, write_str};
use terrane_policy::{Caller, RoleSet};

/// Characters of a text that somebody else has chosen.
const LONGEST: usize = 256;
/// Roles, and parts of a request, that are on record.
const MOST: usize = 50;
/// What a request for GraphQL is called as long as nothing else is known of it.
pub(crate) const GRAPHQL: &str = "graphql";
/// Codes that say that something was not allowed.
const DENIALS: [&str; 3] = ["FORBIDDEN", "UNAUTHENTICATED", "NOT_AN_APPROVER"];

tokio::task_local! {
    static ACCOUNT: Arc<Account>;
}

/// What is noted of a request.
#[derive(Debug)]
pub(crate) struct Account {
    origin: Origin,
    started: Instant,
    draft: Mutex<Draft>,
}

/// The record as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    action: &'static str,
    subject: Option<String>,
    own: Option<RoleSet>,
    held: Option<RoleSet>,
    credential: Option<[u8; 8]>,
    what: Vec<(Arc<str>, u64)>,
    rules: Vec<Arc<str>>,
    version: Option<i64>,
    code: Option<String>,
    rows: u64,
    /// The input dataset.
    dataset: Option<String>,
    /// Whether nothing of the product was asked for but its form.
    silent: bool,
    /// Whether a record was written before it was done.
    begun: bool,
}

impl Draft {
    /// An operation of GraphQL is asked for. What it is a part of stays: a page, a file.
    pub(crate) fn operation(&mut self, action: &'static str) {
        if self.action == GRAPHQL {
            self.action = action;
        }
        self.silent = false;
    }

    /// Who asks, with what in the `authorization` header.
    pub(crate) fn caller(&mut self, caller: &Caller, header: Option<&str>) {
        self.subject.clone_from(&caller.subject);
        self.own = Some(caller.roles.clone());
        self.credential = header.map(fingerprint);
    }

    /// The caller's roles, those that were granted included.
    pub(crate) fn held(&mut self, roles: &RoleSet) {
        if self.held.is_none() {
            self.held = Some(roles.clone());
        }
    }

    /// An operation or file, by its description; returns its place for [`Draft::rows`].
    pub(crate) fn touches(&mut self, description: &Arc<str>) -> usize {
        self.what.push((Arc::clone(description), 0));
        self.what.len() - 1
    }

    /// So many rows were read by what has this place.
    pub(crate) fn rows(&mut self, place: usize, rows: u64) {
        if let Some((_, count)) = self.what.get_mut(place) {
            *count = rows;
        }
    }

    /// So many rows of an input dataset came in.
    pub(crate) fn received(&mut self, dataset: &str, rows: u64) {
        self.rows += rows;
        self.dataset = Some(dataset.to_owned());
    }

    /// A rule that decided something.
    pub(crate) fn rule(&mut self, rule: &Arc<str>) {
        if self.rules.len() < MOST && !self.rules.contains(rule) {
            self.rules.push(Arc::clone(rule));
        }
    }

    /// The version that is read, where not the current one.
    pub(crate) fn version(&mut self, version: i64) {
        self.version = Some(version);
    }

    /// Errors of the answer. One that says that something was denied goes before others.
    pub(crate) fn errors(&mut self, errors: &[GraphqlError]) {
        let denial = errors.iter().find(|error| DENIALS.contains(&error.code()));
        if let Some(error) = denial.or(errors.first())
            && !self.code.as_deref().is_some_and(|code| DENIALS.contains(&code))
        {
            self.code = Some(error.code().to_owned());
        }
    }

    /// The code of a plain error.
    pub(crate) fn code(&mut self, code: &str) {
        self.code = Some(code.to_owned());
    }

    /// Nothing of the product's data or records was asked for.
    pub(crate) fn silent(&mut self) {
        self.silent = self.what.is_empty();
    }

    /// A socket is opened, over which operations come.
    pub(crate) fn connects(&mut self) {
        self.action = "connect";
    }

    /// That it was to be done is on record.
    pub(crate) fn begun(&mut self) {
        self.begun = true;
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    /// The status of the answer.
    pub(super) status: u16,
    /// Bytes of it, where they are known.
    pub(super) bytes: Option<u64>,
    /// Rows of a stream, where it has ended.
    pub(super) rows: Option<u64>,
    /// Whether it is the end of what has a record already.
    pub(super) ends: bool,
    /// Whether it was broken off.
    pub(super) broken: bool,
}

impl Account {
    /// The account of a request for `action`.
    pub(crate) fn new(origin: Origin, action: &'static str) -> Arc<Self> {
        let draft = Draft { action, ..Draft::default() };
        Arc::new(Self { origin, started: Instant::now(), draft: Mutex::new(draft) })
    }

    /// That of the running task.
    pub(crate) fn current() -> Option<Arc<Self>> {
        ACCOUNT.try_with(Arc::clone).ok()
    }

    /// Where the request comes from.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Note something.
    pub(crate) fn note<T>(&self, change: impl FnOnce(&mut Draft) -> T) -> T {
        change(&mut self.draft.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is nothing to put on record.
    pub(super) fn is_silent(&self) -> bool {
        self.note(|draft| draft.silent && draft.code.is_none())
    }

    /// Append the record to `out`, without its end: the spool adds the place in itself.
    pub(super) fn write(&self, end: End, out: &mut Vec<u8>) {
        let took = (!end.ends).then(|| self.started.elapsed());
        self.note(|draft| draft.write(&self.origin, (end, took), out));
    }

    /// Its members that say who and from where, for a record that is written at once.
    pub(crate) fn members(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut out = vec![b'{'];
        self.note(|draft| {
            draft.write_from(&self.origin, &mut out);
            draft.write_rules(&mut out);
        });
        // each member begins with a comma
        out.remove(1);
        out.push(b'}');
        serde_json::from_slice(&out).unwrap_or_default()
    }
}

impl Draft {
    fn write(&self, origin: &Origin, (end, took): (End, Option<Duration>), out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"at\":");
        write_i64(out, micros());
        member(out, "action");
        write_str(out, self.action);
        member(out, "subject");
        match &self.subject {
            Some(subject) => text(out, subject),
            None => out.extend_from_slice(b"null"),
        }
        member(out, "roles");
        let held = self.held.as_ref().or(self.own.as_ref());
        list(out, held.into_iter().flat_map(RoleSet::iter));
        self.write_from(origin, out);
        let allowed = !self.code.as_deref().is_some_and(|code| DENIALS.contains(&code));
        member(out, "allowed");
        out.extend_from_slice(if allowed { b"true" } else { b"false" });
        for (name, value) in [
            ("status", Some(i64::from(end.status))),
            ("us", took.and_then(|took| i64::try_from(took.as_micros()).ok())),
            ("bytes", end.bytes.and_then(|bytes| i64::try_from(bytes).ok())),
            ("version", self.version),
            ("rows", (self.rows > 0).then(|| i64::try_from(self.rows).unwrap_or(i64::MAX))),
        ] {
            if let Some(value) = value {
                member(out, name);
                write_i64(out, value);
            }
        }
        for (name, value) in [("code", &self.code), ("dataset", &self.dataset)] {
            if let Some(value) = value {
                member(out, name);
                text(out, value);
            }
        }
        for (name, is) in [("ends", end.ends || self.begun), ("broken", end.broken)] {
            if is {
                member(out, name);
                out.extend_from_slice(b"true");
            }
        }
        self.write_rules(out);
        self.write_what(end, out);
    }

    /// From where and with which credential; each member with a comma before it.
    fn write_from(&self, origin: &Origin, out: &mut Vec<u8>) {
        if let (Some(held), Some(own)) = (&self.held, &self.own)
            && held.iter().any(|role| !own.contains(role))
        {
            member(out, "granted");
            list(out, held.iter().filter(|role| !own.contains(role)));
        }
        member(out, "credential");
        match &self.credential {
            Some(print) => {
                out.extend_from_slice(b"\"bearer ");
                print.iter().for_each(|byte| write!(out, "{byte:02x}").expect("a Vec takes any bytes"));
                out.push(b'"');
            }
            None => out.extend_from_slice(b"\"none\""),
        }
        for (name, value) in [("request", &origin.request), ("forwarded", &origin.forwarded), ("name", &origin.name)] {
            if let Some(value) = value {
                member(out, name);
                text(out, &said(value));
            }
        }
        if let Some(client) = &origin.client {
            member(out, "client");
            write!(out, "\"{}\"", client.ip()).expect("a Vec takes any bytes");
        }
    }

    fn write_rules(&self, out: &mut Vec<u8>) {
        if !self.rules.is_empty() {
            member(out, "rules");
            list(out, self.rules.iter().map(|rule| &**rule));
        }
    }

    fn write_what(&self, end: End, out: &mut Vec<u8>) {
        if self.what.is_empty() {
            return;
        }
        member(out, "what");
        out.push(b'[');
        for (number, (description, rows)) in self.what.iter().take(MOST).enumerate() {
            out.extend_from_slice(if number > 0 { b",{" } else { b"{" });
            out.extend_from_slice(description.as_bytes());
            member(out, "rows");
            write_i64(out, i64::try_from(end.rows.unwrap_or(*rows)).unwrap_or(i64::MAX));
            out.push(b'}');
        }
        out.push(b']');
    }
}

/// Run `work`, of which `account` is noted.
pub(crate) async fn scope<F: Future>(account: Option<Arc<Account>>, work: F) -> F::Output {
    match account {
        Some(account) => ACCOUNT.scope(account, work).await,
        None => work.await,
    }
}

/// Note something of the running request; none where nobody keeps an account of it.
pub(crate) fn note<T>(change: impl FnOnce(&mut Draft) -> T) -> Option<T> {
    ACCOUNT.try_with(|account| account.note(change)).ok()
}

fn member(out: &mut Vec<u8>, name: &'static str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn list<'s>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'s str>) {
    out.push(b'[');
    for (number, one) in texts.take(MOST).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        text(out, one);
    }
    out.push(b']');
}

/// A text of somebody else: bounded, and without what Postgres can't read out of JSON.
pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    if value.len() <= LONGEST && !value.contains('\0') {
        return write_str(out, value);
    }
    let short: String = value.chars().take(LONGEST).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
    write_str(out, &short);
}

fn said(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// What tells a credential from others without being one.
fn fingerprint(header: &str) -> [u8; 8] {
    let credential = header.split_once(' ').map_or(header, |(_, credential)| credential.trim());
    let digest = Sha256::digest(credential.as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

/// Microseconds since 1970.
fn micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_record_is_json_whatever_clients_say() {
        let origin = Origin {
            request: Some(HeaderValue::from_static("r-1")),
            name: Some(HeaderValue::from_bytes(b"\xff\"name").unwrap()),
            ..Origin::default()
        };
        let account = Account::new(origin, "query");
        let subject = format!("eve\0\"\n{}", "x".repeat(1_000));
        let caller = Caller { subject: Some(subject), signed_in: true, ..Caller::anonymous() };
        account.note(|draft| {
            draft.caller(&caller, Some("Bearer abc"));
            draft.held(&RoleSet::new(["analyst", "anonymous"]));
            let place = draft.touches(&Arc::from("\"kind\":\"query\""));
            draft.rows(place, 7);
            draft.errors(&[GraphqlError::new("OTHER", "x"), GraphqlError::new("FORBIDDEN", "x")]);
        });
        let mut out = Vec::new();
        account.write(End { status: 200, bytes: Some(9), ..End::default() }, &mut out);
        out.push(b'}');
        let record: Value = serde_json::from_slice(&out).unwrap();
        let subject = record["subject"].as_str().unwrap();
        assert_eq!((subject.chars().count(), subject.contains('\0')), (LONGEST, false));
        assert_eq!(
            (&record["allowed"], &record["code"], &record["bytes"]),
            (&json!(false), &json!("FORBIDDEN"), &json!(9))
        );
        assert_eq!(record["what"], json!([{"kind": "query", "rows": 7}]));
        assert_eq!((&record["granted"], &record["request"]), (&json!(["analyst"]), &json!("r-1")));
        assert_eq!(record["credential"], "bearer ba7816bf8f01cfea");
        assert_eq!(account.members()["granted"], json!(["analyst"]));
    }
}
