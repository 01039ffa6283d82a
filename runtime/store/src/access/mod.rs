//! Access: turns requests, approvals and revocations into grants and their policy lines, each step in one transaction with
//! its record.
//!
//! Steps of one product come one after the other (an advisory lock), so that the position of the last one says which grants
//! there are.

mod read;
mod record;
mod steps;

pub use record::{AccessEvent, AccessGrant, AccessRequest, Actor, NewGrant, NewRequest, PolicyLine, View};

use uuid::Uuid;

/// What is notified when somebody's access has changed.
pub const ACCESS_CHANNEL: &str = "terrane_access";
/// Requests of one subject that may wait at the same time.
pub const MOST_WAITING: i64 = 50;
/// Requests that may wait at the same time.
const MOST_WAITING_IN_ALL: i64 = 10_000;
/// Grants in force at the same time.
const MOST_GRANTS: i64 = 100_000;

/// Why a step of access is not taken. For the client.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AccessRefusal {
    /// There is no such request, or the caller may not know of it.
    #[error("there is no access request {0} that you may see")]
    NoSuchRequest(Uuid),
    /// There is no such grant, or the caller may not know of it.
    #[error("there is no grant {0} that you may see")]
    NoSuchGrant(Uuid),
    /// It was decided already.
    #[error("the access request was {0} already")]
    RequestEnded(String),
    /// It has ended already.
    #[error("the grant has ended already: {0}")]
    GrantEnded(String),
    /// Nobody approves what is for himself, or what he asked for.
    #[error("nobody approves or denies a request of his own; another approver of this level has to")]
    OwnRequest,
    /// Two levels are two people.
    #[error("you have approved an earlier level of this request; another approver has to approve this one")]
    ApprovedBefore,
    /// Not one of this level's approvers.
    #[error("you are no approver of level {level} of this request; approvers are: {approvers}")]
    NotAnApprover {
        /// Which level, from 1.
        level: i32,
        /// Who are.
        approvers: String,
    },
    /// Neither an approver nor the owner nor who has it.
    #[error("only its approvers, the owner of the product or who has the grant may end it")]
    NotYours,
    /// The same is asked for already.
    #[error("the same access is asked for already: access request {0}")]
    RequestExists(Uuid),
    /// Too many wait.
    #[error("too many access requests wait for an approval; ask again when some of them are decided")]
    TooManyRequests,
    /// Too many hold.
    #[error("the product has as many grants as it can have; revoke some that are not needed")]
    TooManyGrants,
}

impl AccessRefusal {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRequest(_) => "NO_SUCH_ACCESS_REQUEST",
            Self::NoSuchGrant(_) => "NO_SUCH_GRANT",
            Self::RequestEnded(_) => "ACCESS_REQUEST_ENDED",
            Self::GrantEnded(_) => "GRANT_ENDED",
            Self::OwnRequest | Self::ApprovedBefore | Self::NotAnApprover { .. } | Self::NotYours => "NOT_AN_APPROVER",
            Self::RequestExists(_) => "ACCESS_REQUEST_EXISTS",
            Self::TooManyRequests | Self::TooManyGrants => "TOO_MANY_ACCESS_REQUESTS",
        }
    }
}
