//! Policy lines: turns `policy.csv` and the contracts' classifications into the lines that casbin judges by.

use crate::dataset::Layer;
use crate::names::RESERVED_TYPES;
use crate::product::Product;
use std::collections::BTreeSet;
use std::fmt;
use terrane_diagnostics::{Diagnostic, Location};

const ACTIONS: &[&str] = &["read", "write", "run", "admin"];
const FILE: &str = "policy.csv";

/// What a policy line is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineOrigin {
    /// Every role may discover a product.
    Discovery,
    /// A role of a contract; in words.
    Contract(String),
    /// A line of the folder's `policy.csv`; in words.
    Folder(String),
    /// A line that was put in at run time; in words.
    Put(String),
}

impl LineOrigin {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Contract(_) => "contract",
            Self::Folder(_) => "folder",
            Self::Put(_) => "put",
        }
    }

    /// That of the folder's own lines.
    pub fn folder() -> Self {
        Self::Folder(FILE.to_owned())
    }

    /// That of the line which denies a mask where `read` is denied.
    fn of_masks(&self) -> Self {
        let more = |text: &str| format!("{text}, where `read` is denied");
        match self {
            Self::Folder(text) => Self::Folder(more(text)),
            Self::Put(text) => Self::Put(more(text)),
            other => other.clone(),
        }
    }
}

impl fmt::Display for LineOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery => f.write_str("every role may discover a product"),
            Self::Contract(text) | Self::Folder(text) | Self::Put(text) => f.write_str(text),
        }
    }
}

/// Split `policy.csv` into lines of trimmed parts; comments start with `#`. Lines of a wrong form become findings.
pub(crate) fn read_policy(text: &str, findings: &mut Vec<Diagnostic>) -> Vec<(Vec<String>, u32)> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index as u32 + 1;
        let parts: Vec<String> = line.split(',').map(|p| p.trim().to_owned()).collect();
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let right = match words.as_slice() {
            ["p", role, object, action, effect] => {
                !role.is_empty() && !object.is_empty() && ACTIONS.contains(action) && ["allow", "deny"].contains(effect)
            }
            ["g", role, inherited] => !role.is_empty() && !inherited.is_empty(),
            _ => false,
        };
        if right {
            lines.push((parts, number));
        } else {
            findings.push(
                Diagnostic::error("POLICY_LINE", format!("`{line}` is no policy line"))
                    .at(Location::new(FILE, number, 1))
                    .with_hint("write `p, ROLE, OBJECT, read|write|run|admin, allow|deny` or `g, ROLE, INHERITED`"),
            );
        }
    }
    lines
}

/// Report objects that name nothing of the product.
pub(crate) fn check_objects(product: &Product, lines: &[(Vec<String>, u32)], findings: &mut Vec<Diagnostic>) {
    let known: BTreeSet<String> = product.policy_objects().into_iter().collect();
    for (line, number) in lines {
        if line[0] != "p" || known.contains(&line[2]) || line[2] == "*" {
            continue;
        }
        let wildcard = line[2].strip_suffix('*').filter(|prefix| prefix.ends_with(['.', ':']));
        if wildcard.is_some_and(|prefix| known.iter().any(|k| k.starts_with(prefix))) {
            continue;
        }
        findings.push(
            Diagnostic::error("POLICY_OBJECT", format!("`{}` is nothing of this product", line[2]))
                .at(Location::new(FILE, *number, 1))
                .with_hint(
                    "name DATASET.FIELD, DATASET.*, port:access, port:audit, port:control, port:discovery, port:input or port:observability",
                ),
        );
    }
}

impl Product {
    /// Every object that policy lines may name: `dataset.field` of output datasets, `input.dataset.field` of input
    /// datasets, and the ports.
    pub fn policy_objects(&self) -> Vec<String> {
        let fields = self.outputs().chain(self.inputs()).flat_map(|d| d.fields.iter().map(|f| d.policy_object(f)));
        let ports = ["port:access", "port:audit", "port:control", "port:discovery", "port:input", "port:observability"];
        fields.chain(ports.map(str::to_owned)).collect()
    }

    /// All policy lines of the product: reading by classification (`p, role, dataset.field, read, allow` where the
    /// role's `maxClassification` covers the field's), reading through a mask (action `mask`), which takes the place of
    /// that, reading of the discovery port by every role, and then `policy.csv`, where a denied `read` denies `mask` too. casbin judges by these and by nothing else: what no line allows is denied.
    pub fn policy_lines(&self) -> Vec<Vec<String>> {
        self.policy_lines_with_origins().into_iter().map(|(line, _)| line).collect()
    }

    /// [`Product::policy_lines`], each with what in the folder it is made of.
    pub fn policy_lines_with_origins(&self) -> Vec<(Vec<String>, LineOrigin)> {
        self.policy_lines_of(self.policy.iter().map(|line| (line.clone(), LineOrigin::folder())))
    }

    /// [`Product::policy_lines`] with `own` in the place of `policy.csv`, each with what it is made of. For a product whose
    /// [`Product::policy`] is these lines.
    pub fn policy_lines_of(
        &self,
        own: impl IntoIterator<Item = (Vec<String>, LineOrigin)>,
    ) -> Vec<(Vec<String>, LineOrigin)> {
        let mut lines = Vec::new();
        let mut allow = |role: &str, object: &str, action: &str, origin: LineOrigin| {
            lines.push((["p", role, object, action, "allow"].map(str::to_owned).to_vec(), origin));
        };
        for role in self.role_names() {
            allow(&role, "port:discovery", "read", LineOrigin::Discovery);
        }
        for contract in self.contracts.iter().filter(|c| c.layer != Layer::Abstraction) {
            for role in &contract.roles {
                for (dataset, field) in contract.datasets.iter().flat_map(|d| d.fields.iter().map(move |f| (d, f))) {
                    let (object, name) = (dataset.policy_object(field), &role.role);
                    let masked = role.masks.iter().find(|m| m.dataset == dataset.name && m.field == field.name);
                    if let Some(mask) = masked {
                        let origin =
                            format!("contract {}: role `{name}` has the mask {}", contract.id, mask.mask.kind());
                        allow(name, &object, "mask", LineOrigin::Contract(origin));
                    } else if let Some(max) = role.max_classification.filter(|max| field.classification <= *max) {
                        let (max, is) = (max.word(), field.classification.word());
                        let origin =
                            format!("contract {}: role `{name}` reads up to {max}, and the field is {is}", contract.id);
                        allow(name, &object, "read", LineOrigin::Contract(origin));
                    }
                }
            }
        }
        for (line, origin) in own {
            let masked = match line.as_slice() {
                [_, role, object, action, effect] if (action.as_str(), effect.as_str()) == ("read", "deny") => {
                    Some((["p", role, object, "mask", "deny"].map(str::to_owned).to_vec(), origin.of_masks()))
                }
                _ => None,
            };
            lines.push((line, origin));
            lines.extend(masked);
        }
        lines
    }

    /// Read `text` as a `policy.csv` of this product: its lines, and all that is wrong with them.
    pub fn read_policy(&self, text: &str) -> (Vec<Vec<String>>, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let lines = read_policy(text, &mut findings);
        check_objects(self, &lines, &mut findings);
        findings.sort_by(|a, b| (&a.locations, a).cmp(&(&b.locations, b)));
        (lines.into_iter().map(|(line, _)| line).collect(), findings)
    }

    /// Whether `name` is a GraphQL type that the data port defines itself.
    pub fn is_reserved_type(name: &str) -> bool {
        RESERVED_TYPES.contains(&name)
    }
}
