//! Frames: turns a visitor into what surrounds every page, and what is said where there is nothing else to say.

use terrane_policy::Caller;

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
    /// How to be somebody.
    pub sign_in_hint: String,
    /// Of Terrane.
    pub version: String,
}

/// Somebody who signed in.
#[derive(Debug)]
pub struct Visitor {
    /// The token's subject.
    pub name: String,
    /// `steward, analyst`.
    pub roles: String,
}

impl Frame {
    /// The frame of a page for `caller`.
    pub fn new(caller: &Caller, title: impl Into<String>, description: impl Into<String>) -> Self {
        let roles = caller.roles.iter().collect::<Vec<_>>().join(", ");
        Self {
            title: title.into(),
            description: description.into(),
            search: String::new(),
            section: "",
            visitor: caller.subject.clone().map(|name| Visitor { name, roles }),
            sign_in_href: None,
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
