//! Frames: turns a visitor into what surrounds every page, and what is said where there is nothing else to say.

use serde_json::Value;
use std::future::Future;
use terrane_policy::Caller;

tokio::task_local! {
    static DOOR: Door;
}

/// How the visitor of the page that is being made comes and goes.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// Where to sign in, to come back to this page.
    pub sign_in_href: Option<String>,
    /// Who has a session, which can be ended.
    pub visitor: Option<Visitor>,
    /// Whether the explorer is closed, so that nothing may lead to it.
    pub no_explorer: bool,
}

impl Door {
    /// Make a page with this door in its frame.
    pub async fn around<F: Future>(self, making: F) -> F::Output {
        DOOR.scope(self, making).await
    }

    /// As [`Door::around`], for what is made without waiting.
    pub fn within<T>(self, make: impl FnOnce() -> T) -> T {
        DOOR.sync_scope(self, make)
    }

    fn here() -> Self {
        DOOR.try_with(Self::clone).unwrap_or_default()
    }
}

/// What surrounds a page.
#[derive(Debug)]
pub struct Frame {
    /// Of the page.
    pub title: String,
    /// For search engines.
    pub description: String,
    /// What was searched for.
    pub search: String,
    /// Which part of the site it is.
    pub section: &'static str,
    /// None: anonymous.
    pub visitor: Option<Visitor>,
    /// None: the gateway has no page to sign in at.
    pub sign_in_href: Option<String>,
    /// Whether the visitor has a session, and can sign out.
    pub signs_out: bool,
    /// How to be somebody.
    pub sign_in_hint: String,
    /// Whether there is an explorer to lead to.
    pub explorer: bool,
    /// Of Terrane.
    pub version: String,
}

/// Somebody who signed in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// What the provider of sign-in calls them, or the token's subject.
    pub name: String,
    /// `steward, analyst`.
    pub roles: String,
}

impl Visitor {
    /// The visitor that a caller is; none: anonymous.
    pub fn of(caller: &Caller) -> Option<Self> {
        let roles = caller.roles.iter().collect::<Vec<_>>().join(", ");
        let name = caller.claims.get("name").and_then(Value::as_str).filter(|name| !name.trim().is_empty());
        let subject = caller.subject.as_deref()?;
        Some(Self { name: name.unwrap_or(subject).to_owned(), roles })
    }
}

impl Frame {
    /// The frame of a page for `caller`.
    pub fn new(caller: &Caller, title: impl Into<String>, description: impl Into<String>) -> Self {
        let door = Door::here();
        Self {
            title: title.into(),
            description: description.into(),
            search: String::new(),
            section: "",
            signs_out: door.visitor.is_some(),
            // a page that says that something went wrong is still somebody's
            visitor: Visitor::of(caller).or(door.visitor),
            sign_in_href: door.sign_in_href,
            explorer: !door.no_explorer,
            sign_in_hint: "You see what anyone may see. Send a bearer token to be somebody: \
                           authorization: Bearer TOKEN"
                .to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Nothing there, or nothing that the visitor may know about.
#[derive(askama::Template)]
#[template(path = "not_found.html")]
pub struct NotFoundPage {
    /// Around it.
    pub frame: Frame,
    /// What was asked for.
    pub path: String,
}

/// A page that only says something.
#[derive(askama::Template)]
#[template(path = "notice.html")]
pub struct NoticePage {
    /// Around it; its title is the heading.
    pub frame: Frame,
    /// Paragraphs.
    pub lines: Vec<String>,
}
