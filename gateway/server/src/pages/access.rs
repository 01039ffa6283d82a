//! Access: turns what products say of requests and grants into the pages of those who ask, those who approve, and auditors.

use super::asked::{Asking, PageError};
use super::frame::Frame;
use serde::Deserialize;
use terrane_views::text::{count, encode, html_id, moment};
use terrane_views::{Moment, Status};

const QUERY: &str = "query Access {
  waiting: accessRequests(waiting: true, first: 100) { ...R }
  requests: accessRequests(first: 100) { ...R }
  grants(active: false, first: 100) {
    product id request subject role fields purpose grantedBy grantedAt expiresAt state endedAt endedBy
    steps { step at actor level reason }
  }
}
fragment R on AccessRequest {
  product id subject requestedBy role fields purpose seconds state requestedAt waitsFor approvable
  levels { level approvers automatic } steps { step at actor level reason } grant { state expiresAt }
}";

/// What was done, by the word in the address; other words say nothing.
const DONE: [(&str, &str); 6] = [
    ("asked", "Your request is on its way to those who approve it."),
    ("granted", "Granted: it holds from now on."),
    ("approved", "Approved."),
    ("denied", "Denied."),
    ("withdrawn", "Taken back."),
    ("revoked", "Ended: it holds no longer."),
];

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AccessParameters {
    /// What was just done.
    done: String,
}

/// The page.
#[derive(askama::Template)]
#[template(path = "access.html")]
pub struct AccessPage {
    frame: Frame,
    signed_in: bool,
    /// What was just done.
    done: Option<&'static str>,
    /// Why something was not.
    refused: Option<String>,
    /// Those that the visitor can approve now.
    waiting: Vec<Request>,
    own: Vec<Request>,
    own_grants: Vec<Grant>,
    /// Those of others, as far as the visitor may see them.
    others: Vec<Request>,
    others_grants: Vec<Grant>,
}

struct Request {
    anchor: String,
    product: String,
    product_href: String,
    subject: String,
    what: String,
    purpose: String,
    /// `by eve on 3 May 2026, for 30 days`.
    asked: String,
    status: Status,
    /// Whom it waits for.
    waits: Option<String>,
    approvable: bool,
    withdrawable: bool,
    /// Where its forms are sent, without the last segment.
    href: String,
    steps: Vec<Step>,
}

struct Grant {
    anchor: String,
    product: String,
    product_href: String,
    subject: String,
    what: String,
    purpose: String,
    status: Status,
    until: Option<Moment>,
    granted: String,
    /// Where it is ended; none where it has ended.
    revoke_href: Option<String>,
    steps: Vec<Step>,
}

struct Step {
    text: String,
    at: Option<Moment>,
    reason: String,
}

#[derive(Deserialize)]
struct Answer {
    waiting: Vec<SaidRequest>,
    requests: Vec<SaidRequest>,
    grants: Vec<SaidGrant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidRequest {
    product: String,
    id: String,
    subject: String,
    requested_by: String,
    role: Option<String>,
    fields: Vec<String>,
    purpose: String,
    seconds: i64,
    state: String,
    requested_at: String,
    waits_for: Option<i64>,
    approvable: bool,
    levels: Vec<Level>,
    steps: Vec<SaidStep>,
    grant: Option<Granted>,
}

#[derive(Deserialize)]
pub(super) struct Level {
    pub level: i64,
    pub approvers: Vec<String>,
    pub automatic: bool,
}

#[derive(Deserialize)]
struct SaidStep {
    step: String,
    at: String,
    actor: Option<String>,
    level: Option<i64>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    state: String,
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidGrant {
    product: String,
    id: String,
    request: Option<String>,
    subject: String,
    role: Option<String>,
    fields: Vec<String>,
    purpose: String,
    granted_by: Option<String>,
    granted_at: String,
    expires_at: String,
    state: String,
    ended_at: Option<String>,
    ended_by: Option<String>,
    steps: Vec<SaidStep>,
}

impl AccessPage {
    /// The page as the visitor sees it; `refused` is why a form was not done.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        parameters: &AccessParameters,
        refused: Option<String>,
    ) -> Result<Self, PageError> {
        let mut frame = Frame::new(&asking.caller, "Access", "Who asked for access, who approves it, and who has it");
        frame.section = "access";
        let done = DONE.iter().find(|(word, _)| *word == parameters.done).map(|(_, text)| *text);
        let empty = || Answer { waiting: Vec::new(), requests: Vec::new(), grants: Vec::new() };
        let subject = asking.caller.subject.as_deref();
        let answer = match subject {
            Some(_) => asking.ask::<Answer>(QUERY, serde_json::json!({})).await?.into_data()?,
            None => empty(),
        };
        Ok(Self::of(frame, subject, answer, (done, refused)))
    }

    fn of(
        frame: Frame,
        subject: Option<&str>,
        answer: Answer,
        (done, refused): (Option<&'static str>, Option<String>),
    ) -> Self {
        let Answer { mut waiting, mut requests, mut grants } = answer;
        for list in [&mut waiting, &mut requests] {
            list.sort_by(|a, b| b.requested_at.cmp(&a.requested_at));
        }
        grants.sort_by(|a, b| (a.state != "active", &b.granted_at).cmp(&(b.state != "active", &a.granted_at)));
        let is_own =
            |one: &SaidRequest| subject.is_some_and(|subject| one.requested_by == subject || one.subject == subject);
        let decided = waiting.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        let (own, others): (Vec<SaidRequest>, Vec<SaidRequest>) =
            requests.into_iter().filter(|one| !decided.contains(&one.id)).partition(is_own);
        let (own_grants, others_grants): (Vec<SaidGrant>, Vec<SaidGrant>) =
            grants.into_iter().partition(|one| Some(one.subject.as_str()) == subject);
        let shown = |list: Vec<SaidRequest>| list.iter().map(|one| request(one, subject)).collect();
        let held = |list: Vec<SaidGrant>| list.iter().map(grant).collect();
        Self {
            frame,
            signed_in: subject.is_some(),
            done,
            refused,
            waiting: shown(waiting),
            own: shown(own),
            own_grants: held(own_grants),
            others: shown(others),
            others_grants: held(others_grants),
        }
    }
}

fn request(said: &SaidRequest, subject: Option<&str>) -> Request {
    let at = moment(&said.requested_at).map(|at| format!(" on {}", at.text)).unwrap_or_default();
    let pending = said.state == "pending";
    Request {
        anchor: format!("request-{}", html_id(&said.id)),
        product: said.product.clone(),
        product_href: product_href(&said.product),
        subject: said.subject.clone(),
        what: what(said.role.as_deref(), &said.fields),
        purpose: said.purpose.clone(),
        asked: format!("Asked by {}{at}, for {}", said.requested_by, span(said.seconds)),
        status: status(&said.state, said.grant.as_ref()),
        waits: said.waits_for.and_then(|level| {
            let of = said.levels.iter().find(|one| one.level == level)?;
            Some(format!("Waits for level {level} of {}: {}", said.levels.len(), approvers(of)))
        }),
        approvable: said.approvable,
        withdrawable: pending && subject == Some(&said.requested_by),
        href: format!("/access/{}/{}", encode(&said.product), encode(&said.id)),
        steps: said.steps.iter().map(step).collect(),
    }
}

fn grant(said: &SaidGrant) -> Grant {
    let active = said.state == "active";
    let by = said.granted_by.as_ref().map_or_else(|| "by itself".to_owned(), |who| format!("by {who}"));
    let at = moment(&said.granted_at).map(|at| format!(" on {}", at.text)).unwrap_or_default();
    let ended = match (&said.ended_by, said.ended_at.as_deref().and_then(moment)) {
        (Some(who), Some(at)) => format!(", ended by {who} on {}", at.text),
        (None, Some(at)) => format!(", ended on {}", at.text),
        _ => String::new(),
    };
    let product = encode(&said.product);
    let revoke = match &said.request {
        Some(request) => format!("/access/{product}/{}/revoke", encode(request)),
        None => format!("/access/{product}/grants/{}/revoke", encode(&said.id)),
    };
    Grant {
        anchor: format!("grant-{}", html_id(&said.id)),
        product: said.product.clone(),
        product_href: product_href(&said.product),
        subject: said.subject.clone(),
        what: what(said.role.as_deref(), &said.fields),
        purpose: said.purpose.clone(),
        status: Status::new(said.state.clone(), if active { "good" } else { "muted" }),
        until: moment(&said.expires_at).filter(|_| active),
        granted: format!("Granted {by}{at}{ended}"),
        revoke_href: active.then_some(revoke),
        steps: said.steps.iter().map(step).collect(),
    }
}

fn step(said: &SaidStep) -> Step {
    let who = said.actor.as_ref().map_or_else(|| "by itself".to_owned(), |who| format!("by {who}"));
    let level = said.level.map(|level| format!(", level {level}")).unwrap_or_default();
    Step {
        text: format!("{} {who}{level}", said.step),
        at: moment(&said.at),
        reason: said.reason.clone().unwrap_or_default(),
    }
}

fn status(state: &str, grant: Option<&Granted>) -> Status {
    match (state, grant) {
        ("granted", Some(grant)) => match (grant.state.as_str(), moment(&grant.expires_at)) {
            ("active", Some(until)) => Status::new(format!("granted until {}", until.text), "good"),
            (other, _) => Status::new(format!("granted, {other}"), "muted"),
        },
        ("granted", None) => Status::new("granted", "good"),
        ("pending", _) => Status::new("waits", "warn"),
        ("denied", _) => Status::new("denied", "bad"),
        (other, _) => Status::new(other, "muted"),
    }
}

fn what(role: Option<&str>, fields: &[String]) -> String {
    match role {
        Some(role) => format!("role {role}"),
        None if fields.len() == 1 => format!("field {}", fields[0]),
        None => format!("fields {}", fields.join(", ")),
    }
}

fn product_href(id: &str) -> String {
    format!("/marketplace/{}", encode(id))
}

/// Who approves a level, in words.
pub(super) fn approvers(level: &Level) -> String {
    if level.automatic {
        return "nobody has to".to_owned();
    }
    let word = |approver: &String| match approver.split_once(':') {
        Some(("role", role)) => format!("anybody with role {role}"),
        Some(("subject", subject)) => subject.to_owned(),
        _ if approver == "owner" => "the owner".to_owned(),
        _ => approver.clone(),
    };
    level.approvers.iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// Seconds in their largest whole unit.
fn span(seconds: i64) -> String {
    match seconds {
        _ if seconds % 86_400 == 0 => count(seconds / 86_400, "day", "days"),
        _ if seconds % 3_600 == 0 => count(seconds / 3_600, "hour", "hours"),
        _ if seconds % 60 == 0 => count(seconds / 60, "minute", "minutes"),
        _ => count(seconds, "second", "seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::Template as _;
    use serde_json::{Value, json};
    use terrane_policy::Caller;

    fn said(id: &str, by: &str, state: &str, approvable: bool) -> Value {
        json!({
            "product": "a", "id": id, "subject": by, "requestedBy": by, "role": null, "fields": ["d.f"], "purpose": "<why>",
            "seconds": 2_592_000, "state": state, "requestedAt": "2026-11-21T03:00:00Z",
            "waitsFor": (state == "pending").then_some(1), "approvable": approvable,
            "levels": [{"level": 1, "approvers": ["subject:ada", "role:lead", "owner"], "automatic": false}],
            "steps": [{"step": "requested", "at": "2026-11-21T03:00:00Z", "actor": by, "level": null, "reason": "<why>"}],
            "grant": null
        })
    }

    fn page(subject: &str) -> AccessPage {
        let requests =
            [said("1", "eve", "pending", false), said("2", "bob", "pending", true), said("3", "bob", "denied", false)];
        let answer = json!({ "waiting": [requests[1]], "requests": requests, "grants": [
            {"product": "a", "id": "g", "request": null, "subject": "eve", "role": "analyst", "fields": [], "purpose": "p",
             "grantedBy": null, "grantedAt": "2026-11-21T03:00:00Z", "expiresAt": "2026-12-21T03:00:00Z", "state": "active",
             "endedAt": null, "endedBy": null, "steps": []}
        ]});
        let frame = Frame::new(&Caller::anonymous(), "Access", "");
        AccessPage::of(frame, Some(subject), serde_json::from_value(answer).unwrap(), (None, None))
    }

    #[test]
    fn each_side_is_shown_its_own() {
        let page = page("eve");
        let ids = |list: &[Request]| list.iter().map(|one| one.anchor.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&page.waiting), ["request-2"]);
        assert_eq!((ids(&page.own), page.own[0].withdrawable), (vec!["request-1".to_owned()], true));
        assert_eq!((ids(&page.others), page.others[0].withdrawable), (vec!["request-3".to_owned()], false));
        assert_eq!((page.own_grants.len(), page.others_grants.len()), (1, 0));
        assert_eq!(page.own_grants[0].revoke_href.as_deref(), Some("/access/a/grants/g/revoke"));
        let waits = page.own[0].waits.as_deref().unwrap();
        assert_eq!(waits, "Waits for level 1 of 1: ada or anybody with role lead or the owner");
        assert!(page.own[0].asked.ends_with("for 30 days"), "{}", page.own[0].asked);
    }

    #[test]
    fn what_others_wrote_is_text() {
        let text = page("eve").render().unwrap();
        assert!(text.contains("&#60;why&#62;") && !text.contains("<why>"), "{text}");
        assert!(text.contains("action=\"/access/a/2/approve\"") && !text.contains("action=\"/access/a/1/approve\""));
    }
}
