//! Composed policies: turns what contracts allow, the folder's own lines and what was put in their place into the lines that
//! hold together.
//!
//! A text that was put in stands in the place of the folder's `policy.csv`. Where the folder's has become another one since,
//! the text stays, and what the folder's denies is denied as well: neither a deployment nor a forgotten text opens anything
//! that somebody has closed (ADR 43).

use crate::ports;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use terrane_diagnostics::{Diagnostic, has_errors};
use terrane_manifest::{LineOrigin, Product};
use terrane_policy::{DEFAULT_MODEL, Policy, PolicyError, RoleSet};
use terrane_query::DataSchema;
use terrane_store::PutPolicy;

/// Without this no policy can be put in any more.
const KEYS: (&str, &str) = ("port:control", "admin");

/// Policy lines that hold together, and what they are of.
#[derive(Debug, Clone)]
pub(crate) struct Composed {
    /// The product with the own lines that hold.
    pub(crate) product: Arc<Product>,
    /// What casbin judges by.
    pub(crate) policy: Policy,
    /// By line of the policy: what it is made of.
    pub(crate) origins: Vec<LineOrigin>,
    /// What is wrong with the own lines.
    pub(crate) findings: Vec<Diagnostic>,
    /// Whether the folder's own lines have become others since the text was put in their place.
    pub(crate) overtaken: bool,
    /// A word for the lines: others have another one.
    pub(crate) state: String,
}

impl Composed {
    /// What holds with what was put in last.
    ///
    /// # Errors
    /// [`PolicyError`] for lines that can't be read, or judged by.
    pub(crate) fn of(folder: &Arc<Product>, put: Option<&PutPolicy>) -> Result<Self, PolicyError> {
        let Some((put, text)) = put.and_then(|put| Some((put, put.text.as_deref()?))) else {
            return Self::with(folder, None, false);
        };
        let by = put.put_by.as_deref().unwrap_or("somebody");
        let origin = format!("the policy that {by} put in on {}", put.put_at.format("%Y-%m-%d %H:%M:%S UTC"));
        let composed = Self::with(folder, Some((text, origin)), put.base != base(folder))?;
        // a line that says something which this version of Terrane can't read may be a deny: without it the rest must not hold
        match composed.findings.iter().find(|found| found.code == "POLICY_LINE") {
            Some(found) => {
                let line = found.locations.first().map_or(0, |place| place.line as usize);
                Err(PolicyError::Line {
                    line,
                    text: text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned(),
                })
            }
            None => Ok(composed),
        }
    }

    /// What would hold if `text` were put in now; none is the folder's own.
    ///
    /// # Errors
    /// As [`Composed::of`].
    pub(crate) fn candidate(folder: &Arc<Product>, text: Option<&str>) -> Result<Self, PolicyError> {
        Self::with(folder, text.map(|text| (text, "the policy that is put in".to_owned())), false)
    }

    fn with(folder: &Arc<Product>, put: Option<(&str, String)>, overtaken: bool) -> Result<Self, PolicyError> {
        let of_folder = || folder.policy.iter().map(|line| (line.clone(), LineOrigin::folder()));
        let (own, findings): (Vec<_>, _) = match put {
            None => (of_folder().collect(), Vec::new()),
            Some((text, origin)) => {
                let (lines, findings) = folder.read_policy(text);
                let mut own: Vec<_> = lines.into_iter().map(|line| (line, LineOrigin::Put(origin.clone()))).collect();
                let since = LineOrigin::Folder("policy.csv, which was changed since then".to_owned());
                let denies = |line: &[String]| line.last().is_some_and(|effect| line[0] == "p" && effect == "deny");
                let denied = of_folder().map(|(line, _)| (line, since.clone())).filter(|(line, _)| denies(line));
                let more: Vec<_> =
                    denied.filter(|(line, _)| overtaken && !own.iter().any(|(known, _)| known == line)).collect();
                own.extend(more);
                (own, findings)
            }
        };
        let product = Product { policy: own.iter().map(|(line, _)| line.clone()).collect(), ..(**folder).clone() };
        let (lines, origins): (Vec<_>, Vec<_>) = product.policy_lines_of(own).into_iter().unzip();
        let policy = Policy::new(DEFAULT_MODEL, &lines)?;
        Ok(Self { product: Arc::new(product), policy, origins, findings, overtaken, state: hash(&lines) })
    }

    /// The data port's schema: what some role sees nothing of may be null.
    ///
    /// # Errors
    /// What does not go with the contracts.
    pub(crate) fn schema(&self) -> Result<DataSchema, Vec<Diagnostic>> {
        DataSchema::build(&self.product, &ports::sdl())
    }

    /// All that is wrong with the own lines: by themselves, and with the contracts.
    pub(crate) fn problems(&self) -> Vec<Diagnostic> {
        let mut found = self.findings.clone();
        if !has_errors(&found) {
            found.extend(self.schema().err().into_iter().flatten());
        }
        found
    }

    /// Whether no role could put in another policy.
    pub(crate) fn locks_out(&self) -> bool {
        let may = |role: &String| self.policy.allows(&RoleSet::new([role.as_str()]), KEYS.0, KEYS.1);
        !self.product.role_names().iter().any(may)
    }
}

/// A word for the folder's own lines.
pub(crate) fn base(folder: &Product) -> String {
    hash(&folder.policy)
}

fn hash(lines: &[Vec<String>]) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.join(",").as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
