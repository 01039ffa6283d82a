//! Links: turns the `@link`s of a schema into what its directive and type names mean.

use super::document::at;
use crate::report::Report;
use crate::schema::{Directive, Link, SubgraphId, Version};
use apollo_compiler::Node;
use apollo_compiler::ast::{self, Definition, Document, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// The newest Federation 2 minor version whose directives are known here.
const NEWEST_MINOR: u16 = 13;
const FEDERATION: &str = "https://specs.apollo.dev/federation";
const SPECS: &str = "https://specs.apollo.dev/";

/// What the names in one subgraph's SDL mean.
#[derive(Debug)]
pub struct Features {
    /// The subgraph's name, for messages.
    pub subgraph: String,
    /// The federation version; `(1, 0)` without a link to federation.
    pub version: Version,
    /// All links.
    pub links: Vec<Link>,
    /// Local directive name → meaning.
    directives: FxHashMap<String, Directive>,
    /// Local names of the specifications' types by their name in the specification.
    types: FxHashMap<&'static str, String>,
    /// All local type names that specifications own.
    owned: FxHashSet<String>,
    /// The local name of `@link`.
    pub link_name: String,
}

/// The types of the federation specification.
const TYPES: [&str; 4] = ["FieldSet", "ContextFieldValue", "Scope", "Policy"];
/// Types that any federation SDL may contain and that are no part of the graph.
const SERVICE_TYPES: [&str; 5] = ["_Any", "_Entity", "_Service", "_FieldSet", "FieldSet"];
const FED1: [Directive; 6] =
    [Directive::Key, Directive::External, Directive::Requires, Directive::Provides, Directive::Extends, Directive::Tag];

impl Features {
    /// The meaning of a local directive name, if a specification gives it one.
    pub fn directive(&self, local: &str) -> Option<Directive> {
        self.directives.get(local).copied()
    }

    /// All local directive names with a meaning.
    pub fn directives(&self) -> impl Iterator<Item = (&str, Directive)> {
        self.directives.iter().map(|(name, directive)| (name.as_str(), *directive))
    }

    /// The local name of a type of the federation specification.
    pub fn type_name(&self, canonical: &str) -> &str {
        self.types.get(canonical).map_or("_FieldSet", String::as_str)
    }

    /// Whether a specification, not the subgraph, owns the type.
    pub fn owns_type(&self, local: &str) -> bool {
        self.owned.contains(local)
    }
}

/// Reads the links of `document`. Wrong ones are reported and left out.
pub fn read(id: SubgraphId, document: &Document, report: &mut Report) -> Features {
    let subgraph = source_name(document);
    let mut links = Vec::new();
    let link_name = local_link_name(document);
    for directive in schema_directives(document).filter(|directive| directive.name == link_name.as_str()) {
        match read_link(directive) {
            Ok(link) => links.push(link),
            Err(message) => report.error(
                "INVALID_LINK_DIRECTIVE_USAGE",
                format!("[{subgraph}] {message}"),
                "write @link(url: \"https://host/name/vX.Y\", import: [\"@directive\"])",
                &[(id, at(directive.location()))],
            ),
        }
    }
    let mut features = Features {
        subgraph,
        version: (1, 0),
        directives: FxHashMap::default(),
        types: FxHashMap::default(),
        owned: SERVICE_TYPES[..4].iter().map(|name| (*name).to_owned()).collect(),
        link_name,
        links,
    };
    features.owned.extend(["link__Import", "link__Purpose"].map(str::to_owned));
    let links = std::mem::take(&mut features.links);
    for link in &links {
        apply(id, link, &mut features, report);
    }
    features.links = links;
    if features.version.0 == 1 {
        for (name, directive, _) in Directive::FEDERATION.iter().filter(|(_, directive, _)| FED1.contains(directive)) {
            features.directives.insert((*name).to_owned(), *directive);
        }
        let defines_inaccessible = document
            .definitions
            .iter()
            .any(|d| matches!(d, Definition::DirectiveDefinition(d) if d.name == "inaccessible"));
        if defines_inaccessible {
            features.directives.insert("inaccessible".to_owned(), Directive::Inaccessible);
        }
        features.owned.insert("FieldSet".to_owned());
    }
    features
}

fn source_name(document: &Document) -> String {
    document.sources.values().next().map_or_else(String::new, |file| file.path().to_string_lossy().into_owned())
}

fn schema_directives(document: &Document) -> impl Iterator<Item = &Node<ast::Directive>> {
    document.definitions.iter().flat_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => schema.directives.0.as_slice(),
        Definition::SchemaExtension(schema) => schema.directives.0.as_slice(),
        _ => &[],
    })
}

/// `@link` may rename itself: `@link(url: ".../link/v1.0", as: "core")`.
fn local_link_name(document: &Document) -> String {
    for directive in schema_directives(document) {
        let text = |name: &str| directive.specified_argument_by_name(name).and_then(|value| value.as_str());
        if text("url").is_some_and(|url| url.starts_with("https://specs.apollo.dev/link/")) {
            let imported = directive.specified_argument_by_name("import").and_then(|v| v.as_list()).unwrap_or_default();
            let renamed = imported.iter().filter_map(|item| read_import(item).ok()).find(|(name, _)| name == "@link");
            if let Some((_, local)) = renamed {
                return local.trim_start_matches('@').to_owned();
            }
            return text("as").unwrap_or("link").to_owned();
        }
    }
    "link".to_owned()
}

fn read_link(directive: &Node<ast::Directive>) -> Result<Link, String> {
    let text = |name: &str| directive.specified_argument_by_name(name).and_then(|value| value.as_str());
    let Some(url) = text("url") else { return Err("a @link has no url".to_owned()) };
    let (identity, version) = split_url(url)?;
    let own_name = identity.rsplit('/').next().unwrap_or_default().to_owned();
    let mut imports = Vec::new();
    for item in directive.specified_argument_by_name("import").and_then(|v| v.as_list()).unwrap_or_default() {
        imports.push(read_import(item)?);
    }
    let prefix = text("as").map_or(own_name, str::to_owned);
    Ok(Link { identity, url: url.to_owned(), version, prefix, imports, at: at(directive.location()) })
}

/// `https://host/path/name/v2.3` → identity and version; a URL without a version is a link all the same.
fn split_url(url: &str) -> Result<(String, Version), String> {
    let url = url.trim_end_matches('/');
    let Some((identity, last)) = url.rsplit_once('/') else { return Ok((url.to_owned(), (0, 0))) };
    let parsed = last
        .strip_prefix('v')
        .and_then(|text| text.split_once('.'))
        .and_then(|(major, minor)| Some((major.parse::<u16>().ok()?, minor.parse::<u16>().ok()?)));
    match parsed {
        Some(version) => Ok((identity.to_owned(), version)),
        None if last.starts_with('v') && last[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            Err(format!("`{last}` in the @link to {url} is no version of the form vX.Y"))
        }
        None => Ok((url.to_owned(), (0, 0))),
    }
}

fn read_import(item: &Value) -> Result<(String, String), String> {
    match item {
        Value::String(name) => Ok((name.clone(), name.clone())),
        Value::Object(fields) => {
            let get =
                |wanted: &str| fields.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.as_str());
            let Some(name) = get("name") else { return Err("an import in a @link has no name".to_owned()) };
            let local = get("as").unwrap_or(name);
            if name.starts_with('@') != local.starts_with('@') {
                return Err(format!("the import of `{name}` as `{local}` makes a directive of a type or the reverse"));
            }
            Ok((name.to_owned(), local.to_owned()))
        }
        _ => Err("an import in a @link is neither a name nor {name, as}".to_owned()),
    }
}

fn apply(id: SubgraphId, link: &Link, features: &mut Features, report: &mut Report) {
    if link.identity == FEDERATION {
        return apply_federation(id, link, features, report);
    }
    let Some(spec) = link.identity.strip_prefix(SPECS) else { return };
    let members: &[&str] = match spec {
        "tag" => &["tag"],
        "inaccessible" => &["inaccessible"],
        "authenticated" => &["authenticated"],
        "requiresScopes" => &["requiresScopes"],
        "policy" => &["policy"],
        "cost" => &["cost", "listSize"],
        "context" => &["context", "fromContext"],
        _ => return,
    };
    for (name, directive, _) in Directive::FEDERATION.iter().filter(|(name, ..)| members.contains(name)) {
        features.directives.insert(local_name(link, name), *directive);
    }
}

/// What an element `name` of the linked specification is called here.
fn local_name(link: &Link, name: &str) -> String {
    let imported = link.imports.iter().find(|(original, _)| original.strip_prefix('@') == Some(name));
    match imported {
        Some((_, local)) => local.trim_start_matches('@').to_owned(),
        None if link.identity.rsplit('/').next() == Some(name) => link.prefix.clone(),
        None => format!("{}__{name}", link.prefix),
    }
}

fn apply_federation(id: SubgraphId, link: &Link, features: &mut Features, report: &mut Report) {
    let subgraph = features.subgraph.clone();
    if link.version.0 != 2 || link.version.1 > NEWEST_MINOR {
        report.error(
            "UNKNOWN_FEDERATION_LINK_VERSION",
            format!("[{subgraph}] federation {}.{} is not known", link.version.0, link.version.1),
            "link a version from v2.0 to v2.13",
            &[(id, link.at)],
        );
        return;
    }
    features.version = link.version;
    for (name, directive, since) in Directive::FEDERATION {
        if *since <= link.version.1 {
            features.directives.insert(local_name(link, name), *directive);
        }
    }
    for canonical in TYPES {
        let imported = link.imports.iter().find(|(original, _)| original == canonical);
        let local = imported.map_or_else(|| format!("{}__{canonical}", link.prefix), |(_, local)| local.clone());
        features.owned.insert(local.clone());
        features.types.insert(canonical, local);
    }
    for (name, _) in &link.imports {
        let known = match name.strip_prefix('@') {
            Some("link") => true,
            Some(bare) => {
                Directive::FEDERATION.iter().any(|(known, _, since)| *known == bare && *since <= link.version.1)
            }
            None => TYPES.contains(&name.as_str()),
        };
        if !known {
            report.error(
                "INVALID_LINK_DIRECTIVE_USAGE",
                format!(
                    "[{subgraph}] federation v{}.{} has no element `{name}` to import",
                    link.version.0, link.version.1
                ),
                "remove the import, or link a newer federation version that has it",
                &[(id, link.at)],
            );
        }
    }
}
