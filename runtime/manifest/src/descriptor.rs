//! Descriptor: turns `dataproduct.odps.yaml` (ODPS 1.1) into the product's identity and ports.

use crate::connector::{Connector, read_connector};
use crate::contract::{expect_word, read_description, read_links, read_version, report_duplicates};
use crate::dataset::Link;
use crate::events::{read_changes, read_events};
use crate::names::is_product_id;
use crate::product::{Description, InputPort, ManagementPort, Member, OutputPort, Support, Team};
use crate::upkeep::{Retention, Retry, read_retention, read_retry};
use crate::yaml::{Node, Source};
use terrane_diagnostics::{Diagnostic, Location};

const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "id",
    "name",
    "deprecated",
    "synonyms",
    "version",
    "status",
    "domain",
    "type",
    "context",
    "tenant",
    "authoritativeDefinitions",
    "description",
    "customProperties",
    "tags",
    "inputPorts",
    "outputPorts",
    "managementPorts",
    "support",
    "team",
    "productCreatedTs",
];

/// The descriptor, before its references are resolved.
pub(crate) struct Descriptor {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) status: String,
    pub(crate) kind: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) description: Description,
    pub(crate) team: Option<Team>,
    pub(crate) support: Vec<Support>,
    pub(crate) links: Vec<Link>,
    pub(crate) retry: Retry,
    pub(crate) retention: Retention,
    pub(crate) input_ports: Vec<(InputPort, Location)>,
    pub(crate) output_ports: Vec<(OutputPort, Location)>,
    pub(crate) management_ports: Vec<ManagementPort>,
}

/// Read the descriptor in `file`.
pub(crate) fn read_descriptor(file: &str, text: &str, findings: &mut Vec<Diagnostic>) -> Option<Descriptor> {
    let source = Source::new(file, text);
    let value = source.parse();
    let descriptor = value.as_ref().map(|value| read_root(&source.root(value)));
    findings.extend(source.into_findings());
    descriptor
}

fn read_root(root: &Node<'_>) -> Descriptor {
    root.expect_keys(KEYS);
    root.check_custom();
    expect_word(root, "apiVersion", "v1.1.0");
    expect_word(root, "kind", "DataProduct");
    for key in ["inputPorts", "outputPorts", "managementPorts"] {
        report_duplicates(&root.list(key), "id");
        report_duplicates(&root.list(key), "name");
    }
    let id = root.require_text("id");
    if !id.is_empty() && !is_product_id(&id) {
        root.error("PRODUCT_ID", format!("`{id}` cannot be a product's id"), "use lower-case letters, digits, - and _");
    }
    let status = root.text("status").unwrap_or_else(|| "draft".to_owned());
    if !["proposed", "draft", "active", "deprecated", "retired"].contains(&status.as_str()) {
        root.error(
            "PRODUCT_STATUS",
            format!("`{status}` is no status"),
            "use proposed, draft, active, deprecated or retired",
        );
    }
    let team = root.get("team").map(|t| read_team(&t));
    if team.as_ref().is_none_or(|t| t.owner().is_none()) {
        root.warn(
            "PRODUCT_OWNER",
            "nobody of the team has the role `owner`",
            "add `team: {members: [{role: owner, …}]}`",
        );
    }
    Descriptor {
        name: root.text("name").unwrap_or_else(|| id.clone()),
        version: read_version(root),
        status,
        kind: root.text("type"),
        domain: root.text("domain"),
        tenant: root.text("tenant"),
        tags: root.texts("tags"),
        description: root.get("description").map(|d| read_description(&d)).unwrap_or_default(),
        team,
        support: root.list("support").iter().map(read_support).collect(),
        links: read_links(root),
        retry: read_retry(root),
        retention: read_retention(root),
        input_ports: root.list("inputPorts").iter().map(|p| (read_input(p), p.location())).collect(),
        output_ports: root.list("outputPorts").iter().map(|p| (read_output(p), p.location())).collect(),
        management_ports: root.list("managementPorts").iter().map(read_management).collect(),
        id,
    }
}

fn read_team(node: &Node<'_>) -> Team {
    node.expect_keys(&["id", "name", "description", "members", "tags", "customProperties", "authoritativeDefinitions"]);
    let members = node.list("members");
    Team {
        name: node.text("name"),
        description: node.text("description"),
        members: members
            .iter()
            .map(|m| {
                m.expect_keys(&[
                    "id",
                    "username",
                    "name",
                    "description",
                    "role",
                    "dateIn",
                    "dateOut",
                    "replacedByUsername",
                    "tags",
                    "customProperties",
                    "authoritativeDefinitions",
                ]);
                Member { username: m.require_text("username"), name: m.text("name"), role: m.text("role") }
            })
            .collect(),
    }
}

fn read_support(node: &Node<'_>) -> Support {
    node.expect_keys(&[
        "id",
        "channel",
        "url",
        "description",
        "tool",
        "scope",
        "invitationUrl",
        "tags",
        "customProperties",
        "authoritativeDefinitions",
    ]);
    Support {
        channel: node.require_text("channel"),
        url: node.text("url"),
        tool: node.text("tool"),
        scope: node.text("scope"),
        description: node.text("description"),
    }
}

fn read_input(node: &Node<'_>) -> InputPort {
    node.expect_keys(&[
        "id",
        "name",
        "version",
        "contractId",
        "deprecated",
        "tags",
        "customProperties",
        "authoritativeDefinitions",
    ]);
    node.check_custom();
    let schedule = node.custom("schedule").and_then(|n| {
        let text = n.as_text()?;
        if !crate::schedule::is_schedule(&text) {
            n.error("PORT_SCHEDULE", format!("`{text}` is no cron expression"), "write five fields: `0 3 * * *`");
        }
        Some(text)
    });
    let connector = node.custom("connector").map_or(Connector::Push, |c| read_connector(&c));
    InputPort {
        name: node.require_text("name"),
        version: node.require_text("version"),
        contract: node.require_text("contractId"),
        dataset: String::new(),
        on_publish: read_trigger(node, &connector),
        connector,
        schedule,
        events: node.custom("events").map(|e| read_events(&e)),
        tags: node.texts("tags"),
    }
}

/// The custom property `trigger`: `upstream`, where another product is read.
fn read_trigger(node: &Node<'_>, connector: &Connector) -> bool {
    let Some(trigger) = node.custom("trigger") else { return false };
    match (trigger.as_text().as_deref(), connector) {
        (Some("upstream"), Connector::Product { .. }) => true,
        (None, _) => false,
        (Some(word), _) => {
            let message = format!("`{word}` starts no pull of a port with this connector");
            trigger.error("PORT_TRIGGER", message, "write `upstream`, on a port that reads another product");
            false
        }
    }
}

fn read_output(node: &Node<'_>) -> OutputPort {
    node.expect_keys(&[
        "id",
        "name",
        "version",
        "type",
        "description",
        "contractId",
        "inputContracts",
        "sbom",
        "deprecated",
        "context",
        "synonyms",
        "tags",
        "customProperties",
        "authoritativeDefinitions",
    ]);
    node.check_custom();
    OutputPort {
        name: node.require_text("name"),
        version: node.require_text("version"),
        kind: node.text("type"),
        description: node.text("description"),
        contract: node.require_text("contractId"),
        input_contracts: node
            .list("inputContracts")
            .iter()
            .map(|c| {
                c.expect_keys(&["id", "version"]);
                (c.require_text("id"), c.require_text("version"))
            })
            .collect(),
        dataset_type: node.custom("datasetType").and_then(|n| n.as_text()),
        changes: node.custom("changes").map(|c| read_changes(&c)),
        tags: node.texts("tags"),
    }
}

fn read_management(node: &Node<'_>) -> ManagementPort {
    node.expect_keys(&[
        "id",
        "name",
        "content",
        "type",
        "url",
        "channel",
        "description",
        "deprecated",
        "tags",
        "customProperties",
        "authoritativeDefinitions",
    ]);
    let content = node.require_text("content");
    if !["discoverability", "control", "observability"].contains(&content.as_str()) {
        node.error(
            "PORT_CONTENT",
            format!("`{content}` is no content of a management port"),
            "use discoverability, control or observability",
        );
    }
    ManagementPort {
        name: node.require_text("name"),
        content,
        kind: node.text("type"),
        url: node.text("url"),
        channel: node.text("channel"),
        description: node.text("description"),
    }
}
