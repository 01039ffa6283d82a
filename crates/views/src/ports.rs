//! Ports: turns what a product serves and reads into addresses and text to copy.

use crate::Visit;
use crate::about::format_label;
use crate::model::{Example, Port, Snippet};
use crate::said::{AccessMethod, ExampleOperation, InputPortInfo, ManagementPortInfo, OutputPortInfo, ProductInfo};
use crate::sample::operation;
use crate::text::{capitalized, encode, safe_href};
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
            let url = address(visit, &access.path);
            snippets.extend(operations.flat_map(|(d, text)| graphql(&d.name, &url, &text, visit)));
        } else {
            snippets.extend(file(access, visit));
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

/// Whether the texts to copy send a token: nobody has none, and an empty one is refused.
fn sends_token(visit: &Visit<'_>) -> bool {
    visit.roles.iter().any(|role| role != "anonymous")
}

/// How a dataset is asked for.
fn graphql(dataset: &str, url: &str, operation: &str, visit: &Visit<'_>) -> [Snippet; 3] {
    let snippet = |label: &str, code: String| Snippet { label: format!("{dataset}: {label}"), code };
    let one_line = operation.split_whitespace().collect::<Vec<_>>().join(" ");
    let (curl_token, python_token, import) = match sends_token(visit) {
        true => (
            "  -H \"authorization: Bearer $TOKEN\" \\\n",
            ",\n        \"authorization\": \"Bearer \" + os.environ[\"TOKEN\"]",
            "json, os, urllib.request",
        ),
        false => ("", "", "json, urllib.request"),
    };
    let curl = format!(
        "curl -s '{url}' -H 'content-type: application/json' \\\n{curl_token}  -d '{{\"query\": \"{one_line}\"}}'"
    );
    let python = format!(
        "import {import}\n\nquery = \"\"\"\n{operation}\n\"\"\"\nrequest = urllib.request.Request(\n    \"{url}\",\n    \
         data=json.dumps({{\"query\": query}}).encode(),\n    headers={{\n        \"content-type\": \
         \"application/json\"{python_token},\n    }},\n)\nwith urllib.request.urlopen(request) as response:\n    \
         print(json.load(response)[\"data\"])"
    );
    [snippet("GraphQL", operation.to_owned()), snippet("curl", curl), snippet("Python", python)]
}

/// How a file is fetched, and opened in tools that read its format.
fn file(access: &AccessMethod, visit: &Visit<'_>) -> Vec<Snippet> {
    let (url, name) = (address(visit, &access.path), access.path.rsplit('/').next().unwrap_or_default());
    let (format, token) = (format_label(&access.format), sends_token(visit));
    let snippet = |label: &str, code: String| Snippet { label: format!("{format}: {label}"), code };
    let header = if token { " -H \"authorization: Bearer $TOKEN\"" } else { "" };
    let mut snippets = vec![snippet("curl", format!("curl -s '{url}'{header} -o '{name}'"))];
    match access.format.as_str() {
        "csv" => {
            let options = if token { ", [Headers = [authorization = \"Bearer \" & Token]]" } else { "" };
            snippets.push(snippet(
                "Power BI and Excel (Power Query)",
                format!(
                    "let\n    Source = Csv.Document(\n        Web.Contents(\"{url}\"{options}),\n        [Delimiter = \",\", \
                     Encoding = 65001]\n    ),\n    Rows = Table.PromoteHeaders(Source)\nin\n    Rows"
                ),
            ));
        }
        "parquet" => {
            let (import, options) = match token {
                true => ("os, pandas", ", storage_options={\"authorization\": \"Bearer \" + os.environ[\"TOKEN\"]}"),
                false => ("pandas", ""),
            };
            let python = format!("import {import}\n\nframe = pandas.read_parquet(\"{url}\"{options})");
            let secret = match token {
                true => "CREATE SECRET (TYPE http, EXTRA_HTTP_HEADERS MAP {'authorization': 'Bearer TOKEN'});\n",
                false => "",
            };
            snippets.push(snippet("Python (pandas)", python));
            snippets.push(snippet("DuckDB", format!("{secret}SELECT * FROM read_parquet('{url}');")));
        }
        _ => {}
    }
    snippets
}

/// The operations that the product's folder has as examples.
pub(crate) fn examples(info: &ProductInfo, visit: &Visit<'_>) -> Vec<Example> {
    let example = |said: &ExampleOperation| Example {
        title: capitalized(&said.name.replace(['-', '_'], " ")),
        description: said.description.clone(),
        operation: said.operation.clone(),
        explorer_href: visit.explorer.then(|| format!("/graphiql?query={}", encode(&said.operation))),
    };
    info.example_operations.iter().map(example).collect()
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
