//! Ports: turns what a product serves and reads into addresses and text to copy.

use crate::Visit;
use crate::about::format_label;
use crate::model::{Port, Snippet};
use crate::said::{AccessMethod, InputPortInfo, ManagementPortInfo, OutputPortInfo, ProductInfo};
use crate::sample::operation;
use crate::text::{capitalized, safe_href};
use crate::types::FieldTypes;

pub(crate) fn ports(info: &ProductInfo, types: &FieldTypes, visit: &Visit<'_>) -> Vec<Port> {
    let outputs = info.output_ports.iter().map(|p| output(info, p, types, visit));
    let inputs = info.input_ports.iter().map(|p| input(p, visit));
    let management = info.management_ports.iter().map(|p| manage(p, visit));
    outputs.chain(inputs).chain(management).collect()
}

/// Where something below the product's address is, for a command line.
fn address(visit: &Visit<'_>, path: &str) -> String {
    format!("{}{path}", visit.address)
}

fn output(info: &ProductInfo, port: &OutputPortInfo, types: &FieldTypes, visit: &Visit<'_>) -> Port {
    let mut snippets = Vec::new();
    for access in &port.access {
        if access.format == "graphql" {
            let datasets = info.datasets.iter().filter(|d| port.datasets.contains(&d.name));
            let operations = datasets.filter_map(|d| Some((d, operation(d, types, visit)?)));
            snippets.extend(operations.map(|(d, text)| {
                let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let url = address(visit, &access.path);
                Snippet {
                    label: format!("{}: curl", d.name),
                    code: format!(
                        "curl -s '{url}' -H 'content-type: application/json' \\\n  -d '{{\"query\": \"{one_line}\"}}'"
                    ),
                }
            }));
        } else {
            snippets.push(file_snippet(access, visit));
        }
    }
    let address_of = |access: &AccessMethod| format!("{} {}{}", access.method, visit.address, access.path);
    let same = port.access.iter().map(|a| a.path.rsplit_once('.').map_or(a.path.as_str(), |(stem, _)| stem));
    let one_place = port.access.first().filter(|first| {
        let stem = first.path.rsplit_once('.').map_or(first.path.as_str(), |(stem, _)| stem);
        same.clone().all(|s| s == stem)
    });
    let address = one_place.map(|first| match (port.access.len(), first.path.rsplit_once('.')) {
        (2.., Some((stem, _))) => {
            let endings: Vec<&str> = port.access.iter().map(|a| a.format.as_str()).collect();
            format!("{} {}{stem}.{{{}}}", first.method, visit.address, endings.join(","))
        }
        _ => address_of(first),
    });
    let kind = port.kind.as_deref().map_or_else(|| "files".to_owned(), port_kind);
    Port {
        name: port.name.clone(),
        kind: format!("Output · {kind}"),
        description: port.description.clone(),
        address,
        snippets,
    }
}

fn port_kind(kind: &str) -> String {
    if kind == "graphql" { format_label(kind) } else { kind.to_owned() }
}

fn file_snippet(access: &AccessMethod, visit: &Visit<'_>) -> Snippet {
    let (url, file) = (address(visit, &access.path), access.path.rsplit('/').next().unwrap_or_default());
    Snippet { label: format!("{}: curl", format_label(&access.format)), code: format!("curl -s '{url}' -o '{file}'") }
}

fn input(port: &InputPortInfo, visit: &Visit<'_>) -> Port {
    let schedule = port
        .schedule
        .as_ref()
        .map(|cron| format!(" Its descriptor schedules the pull at “{cron}” (cron)."))
        .unwrap_or_default();
    let from = match (port.connector.as_str(), &port.source) {
        ("product", Some(source)) => format!("Reads the dataset {source} of another product"),
        ("file", Some(source)) => format!("Pulls the file {source}"),
        ("push", _) => "Takes what is pushed".to_owned(),
        (other, source) => format!("{}: {}", capitalized(other), source.as_deref().unwrap_or("no source")),
    };
    let pushed = port.connector == "push";
    let path = format!("/input/{}", port.dataset);
    let snippets = Vec::from_iter(pushed.then(|| Snippet {
        label: "curl".to_owned(),
        code: format!(
            "curl -s '{}' -H \"authorization: Bearer $TOKEN\" -H 'content-type: text/csv' \\\n  --data-binary @{}.csv",
            address(visit, &path),
            port.dataset
        ),
    }));
    Port {
        name: port.name.clone(),
        kind: format!("Input · {}", port.connector),
        description: Some(format!("{from} into {}, as contract {} asks.{schedule}", port.dataset, port.contract)),
        address: pushed.then(|| format!("POST {}{path}", visit.address)),
        snippets,
    }
}

fn manage(port: &ManagementPortInfo, visit: &Visit<'_>) -> Port {
    let (kind, path) = match port.content.as_str() {
        "discoverability" => ("Discovery", Some("/discovery")),
        "control" => ("Control", Some("/graphql")),
        "observability" => ("Observability", Some("/graphql")),
        other => (other, None),
    };
    let verb = if path == Some("/discovery") { "GET" } else { "POST" };
    let address = match path {
        Some(path) => Some(format!("{verb} {}{path}", visit.address)),
        None => port.url.as_deref().and_then(safe_href),
    };
    Port {
        name: port.name.clone(),
        kind: kind.to_owned(),
        description: port.description.clone(),
        address,
        snippets: Vec::new(),
    }
}
