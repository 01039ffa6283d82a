//! Header rules: turns the headers of a client into those that a subgraph is sent.

use crate::config::{HeaderRule, HeadersConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use std::collections::BTreeMap;
use std::sync::Arc;
use terrane_execute::Transport;
use tower::ServiceExt as _;

/// Headers that say what a message is or how it travels: they are each connection's own, and never passed on.
const OWN: [HeaderName; 13] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The rules of all subgraphs.
#[derive(Debug)]
pub struct HeaderRules {
    /// Client headers that any subgraph may be sent, by name and by the beginning of it.
    names: Vec<HeaderName>,
    prefixes: Vec<String>,
    all: Arc<[Rule]>,
    subgraphs: BTreeMap<String, Arc<[Rule]>>,
}

#[derive(Debug, Clone)]
enum Rule {
    Propagate { name: HeaderName, to: HeaderName, default: Option<HeaderValue> },
    Prefix(String),
    Insert(HeaderName, HeaderValue),
    Remove(HeaderName),
}

impl HeaderRules {
    /// From the settings; `forward` are sent to all subgraphs.
    ///
    /// # Errors
    /// The path of a setting, and what is wrong with it; all of them.
    pub fn new(forward: &[String], config: &HeadersConfig) -> Result<Self, Vec<(String, String)>> {
        let mut wrong = Vec::new();
        let mut read = |path: &str, rules: &[HeaderRule]| -> Vec<Rule> {
            let read = rules.iter().enumerate().map(|(index, rule)| {
                Rule::read(rule).map_err(|reason| wrong.push((format!("{path}[{index}]"), reason))).ok()
            });
            read.flatten().collect()
        };
        let forwarded: Vec<HeaderRule> = forward.iter().map(|name| HeaderRule::propagate(name)).collect();
        let mut all = read("forward_headers", &forwarded);
        all.extend(read("headers.all", &config.all));
        let mut subgraphs = BTreeMap::new();
        for (name, rules) in &config.subgraphs {
            let own = read(&format!("headers.subgraphs.{name}"), rules);
            subgraphs.insert(name.clone(), all.iter().cloned().chain(own).collect::<Arc<[Rule]>>());
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut rules = Self { names: Vec::new(), prefixes: Vec::new(), all: all.into(), subgraphs };
        let every = [rules.all.clone()].into_iter().chain(rules.subgraphs.values().cloned());
        for rule in every.collect::<Vec<_>>().iter().flat_map(|rules| rules.iter()) {
            match rule {
                Rule::Propagate { name, .. } if !rules.names.contains(name) => rules.names.push(name.clone()),
                Rule::Prefix(prefix) if !rules.prefixes.contains(prefix) => rules.prefixes.push(prefix.clone()),
                _ => {}
            }
        }
        Ok(rules)
    }

    /// The names of the headers that any subgraph may be sent; `None` where there are more than can be named.
    pub fn names(&self) -> Option<&[HeaderName]> {
        self.prefixes.is_empty().then_some(&self.names)
    }

    /// The headers of a client that any subgraph may be sent.
    pub fn forwarded(&self, headers: &HeaderMap) -> HeaderMap {
        let mut forwarded = HeaderMap::new();
        for name in &self.names {
            for value in headers.get_all(name) {
                forwarded.append(name.clone(), value.clone());
            }
        }
        if self.prefixes.is_empty() {
            return forwarded;
        }
        for (name, value) in headers {
            let begins = self.prefixes.iter().any(|prefix| name.as_str().starts_with(prefix.as_str()));
            if begins && !self.names.contains(name) && !OWN.contains(name) {
                forwarded.append(name.clone(), value.clone());
            }
        }
        forwarded
    }

    /// What a subgraph is sent of what is forwarded.
    pub fn sent(&self, subgraph: &str, forwarded: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        apply(self.subgraphs.get(subgraph).unwrap_or(&self.all), forwarded, &mut headers);
        headers
    }

    /// Let `transport` send what the rules say, of what is forwarded. Where each subgraph is sent the same, as it comes,
    /// that is the transport itself.
    pub fn wrap(&self, subgraph: &str, transport: Transport) -> Transport {
        let plain = |rule: &Rule| match rule {
            Rule::Propagate { name, to, default } => name == to && default.is_none(),
            Rule::Prefix(_) => true,
            Rule::Insert(..) | Rule::Remove(_) => false,
        };
        if self.subgraphs.is_empty() && self.all.iter().all(plain) {
            return transport;
        }
        let rules = Arc::clone(self.subgraphs.get(subgraph).unwrap_or(&self.all));
        let (names, prefixes) = (self.names.clone(), self.prefixes.clone());
        let send = move |mut request: Request<Bytes>| {
            let came = take(request.headers_mut(), &names, &prefixes);
            apply(&rules, &came, request.headers_mut());
            request
        };
        Transport::new(transport.map_request(send))
    }
}

impl Default for HeaderRules {
    /// As a gateway without settings has it.
    fn default() -> Self {
        Self::new(&[header::AUTHORIZATION.to_string()], &HeadersConfig::default()).expect("it is a header's name")
    }
}

/// Take the client's headers out of those of a request.
fn take(headers: &mut HeaderMap, names: &[HeaderName], prefixes: &[String]) -> HeaderMap {
    let (mut came, mut own) = (HeaderMap::new(), HeaderMap::new());
    for (name, value) in &*headers {
        let begins = || prefixes.iter().any(|prefix| name.as_str().starts_with(prefix.as_str()));
        let of_client = !OWN.contains(name) && (names.contains(name) || begins());
        let to = if of_client { &mut came } else { &mut own };
        to.append(name.clone(), value.clone());
    }
    *headers = own;
    came
}

fn apply(rules: &[Rule], came: &HeaderMap, headers: &mut HeaderMap) {
    for rule in rules {
        match rule {
            Rule::Propagate { name, to, default } => {
                let mut values = came.get_all(name).iter().chain(default.iter().filter(|_| !came.contains_key(name)));
                if let Some(first) = values.next() {
                    headers.insert(to.clone(), first.clone());
                    for value in values {
                        headers.append(to.clone(), value.clone());
                    }
                }
            }
            Rule::Prefix(prefix) => {
                let begin = |name: &HeaderName| name.as_str().starts_with(prefix.as_str());
                for name in came.keys().filter(|name| begin(name)) {
                    headers.remove(name);
                    for value in came.get_all(name) {
                        headers.append(name.clone(), value.clone());
                    }
                }
            }
            Rule::Insert(name, value) => drop(headers.insert(name.clone(), value.clone())),
            Rule::Remove(name) => drop(headers.remove(name)),
        }
    }
}

impl HeaderRule {
    /// Send the client's header of a name.
    fn propagate(name: &str) -> Self {
        Self::Propagate(crate::config::PropagateRule { name: name.to_owned(), rename: None, default: None })
    }
}

impl Rule {
    fn read(rule: &HeaderRule) -> Result<Self, String> {
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| "the value has characters that no header may have".to_owned())
        };
        Ok(match rule {
            HeaderRule::Propagate(rule) => Self::Propagate {
                name: name(&rule.name)?,
                to: name(rule.rename.as_ref().unwrap_or(&rule.name))?,
                default: rule.default.as_deref().map(value).transpose()?,
            },
            HeaderRule::PropagatePrefix(prefix) if prefix.is_empty() => {
                return Err("an empty beginning would be that of every header; write the names' beginning".to_owned());
            }
            HeaderRule::PropagatePrefix(prefix) => Self::Prefix(name(prefix)?.as_str().to_owned()),
            HeaderRule::Insert(rule) => Self::Insert(name(&rule.name)?, value(&rule.value)?),
            HeaderRule::Remove(text) => Self::Remove(name(text)?),
        })
    }
}

fn name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text.parse().map_err(|_| format!("`{text}` is no header name"))?;
    if OWN.contains(&name) {
        return Err(format!("`{name}` says how a message travels, and is never passed on or set"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_with_its_path() {
        let config = r#"{"all": [{"remove": "a b"}, {"propagate_prefix": ""}],
            "subgraphs": {"a": [{"insert": {"name": "host", "value": "x"}}]}}"#;
        let config: HeadersConfig = serde_json::from_str(config).unwrap();
        let wrong = HeaderRules::new(&["ok".to_owned(), "?".to_owned()], &config).unwrap_err();
        let paths: Vec<&str> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["forward_headers[1]", "headers.all[0]", "headers.all[1]", "headers.subgraphs.a[0]"]);
    }
}
