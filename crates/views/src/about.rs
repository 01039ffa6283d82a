//! About: turns owner, team, agreements and service levels into what the page says of them.

use crate::model::{Contact, Link, Owner, Promise, Status};
use crate::said::{LinkInfo, ProductInfo, RecentUse, ServiceLevelInfo};
use crate::text::{age, capitalized, count, decimal, safe_href, time, words};
use chrono::{DateTime, TimeDelta, Utc};

/// A product's status (ODPS `status`) with its tone.
pub fn status(status: &str) -> Status {
    let tone = match status {
        "active" => "good",
        "deprecated" => "warn",
        "retired" => "bad",
        _ => "muted",
    };
    Status::new(status, tone)
}

/// A format as people write it.
pub fn format_label(format: &str) -> String {
    match format {
        "graphql" => "GraphQL".to_owned(),
        "parquet" | "arrow" => capitalized(format),
        other => other.to_uppercase(),
    }
}

/// How many used a product lately, and how often.
pub(crate) fn used(used: RecentUse) -> String {
    let days = count(used.days.into(), "day", "days");
    match used.requests {
        0 => format!("Nobody has read it in the last {days}."),
        requests => format!(
            "Used by {} in the last {days}, {}.",
            count(used.consumers.into(), "consumer", "consumers"),
            count(requests.into(), "time", "times")
        ),
    }
}

pub(crate) fn kind(kind: Option<&str>) -> String {
    kind.map_or_else(|| "not said".to_owned(), |kind| words(kind, '-'))
}

pub(crate) fn owner(info: &ProductInfo) -> Owner {
    let Some(owner) = &info.owner else { return Owner { name: "nobody yet".to_owned(), email: None } };
    let name = owner.name.clone().unwrap_or_else(|| owner.username.clone());
    Owner { name, email: owner.username.contains('@').then(|| owner.username.clone()) }
}

pub(crate) fn contacts(info: &ProductInfo) -> Vec<Contact> {
    let supports = info.support.iter().map(|support| {
        let tool = support.tool.as_deref().map(|tool| format!(" ({tool})")).unwrap_or_default();
        Contact {
            label: format!("{}{tool}", support.channel),
            href: support.url.as_deref().and_then(safe_href),
            description: support.description.clone(),
        }
    });
    let members = info.team.iter().flat_map(|team| &team.members).map(|member| Contact {
        label: member.name.clone().unwrap_or_else(|| member.username.clone()),
        href: member.username.contains('@').then(|| format!("mailto:{}", member.username)),
        description: member.role.clone(),
    });
    supports.chain(members).collect()
}

/// Links whose scheme is harmless; the others are left out.
pub(crate) fn links<'a>(links: impl Iterator<Item = &'a LinkInfo>) -> Vec<Link> {
    let link = |link: &LinkInfo| {
        let href = safe_href(&link.url)?;
        let label = match link.kind.as_str() {
            "canonicalUrl" => "Canonical address".to_owned(),
            kind => capitalized(&words(kind, ' ')),
        };
        Some(Link { label, href, description: link.description.clone() })
    };
    links.filter_map(link).collect()
}

/// The service levels of all contracts of the product, each once.
fn service_levels(info: &ProductInfo) -> Vec<&ServiceLevelInfo> {
    let mut levels: Vec<&ServiceLevelInfo> = Vec::new();
    for level in info.datasets.iter().flat_map(|d| &d.service_levels) {
        let same = |l: &&ServiceLevelInfo| {
            (&l.property, &l.value, &l.unit, &l.description)
                == (&level.property, &level.value, &level.unit, &level.description)
        };
        if !levels.iter().any(same) {
            levels.push(level);
        }
    }
    levels
}

pub(crate) fn promises(info: &ProductInfo, now: DateTime<Utc>) -> Vec<Promise> {
    let promise = |level: &ServiceLevelInfo| Promise {
        name: capitalized(&words(&level.property, ' ')),
        promised: format!("{} {}", decimal(&level.value), unit(level)).trim_end().to_owned(),
        description: level.description.clone().unwrap_or_default(),
        measured: measured(level)
            .or_else(|| (level.property == "frequency").then(|| measure_frequency(info, level, now)).flatten()),
    };
    service_levels(info).into_iter().map(promise).collect()
}

/// What the product has measured, and what is left of the failures that are allowed.
fn measured(level: &ServiceLevelInfo) -> Option<Status> {
    let (value, met) = (level.measured.as_deref()?, level.met?);
    let mut text = format!("{} {}", decimal(value), unit(level)).trim_end().to_owned();
    if let Some(left) = level.budget_left {
        let percent = (left * 100.0).round();
        text = match percent >= 0.0 {
            true => format!("{text}, {percent:.0} % of the error budget left"),
            false => format!("{text}, the error budget is overspent by {:.0} %", -percent),
        };
    }
    Some(Status::new(text, if met { "good" } else { "bad" }))
}

fn unit(level: &ServiceLevelInfo) -> String {
    let one = level.value == "1";
    let word = match level.unit.as_deref() {
        Some("d" | "day" | "days") => {
            if one {
                "day"
            } else {
                "days"
            }
        }
        Some("h" | "hr" | "hour" | "hours") => {
            if one {
                "hour"
            } else {
                "hours"
            }
        }
        Some("y" | "yr" | "year" | "years") => {
            if one {
                "year"
            } else {
                "years"
            }
        }
        Some("percent" | "%") => "%",
        Some(other) => other,
        None => "",
    };
    word.to_owned()
}

/// How old data is beside how often a new version is promised, by the value and unit of a `frequency`: `current`, `late`,
/// `unpromised`, or `never` (published).
pub fn freshness_word(
    updated: Option<DateTime<Utc>>,
    frequency: Option<(&str, Option<&str>)>,
    now: DateTime<Utc>,
) -> &'static str {
    let promised = frequency.and_then(|(value, unit)| interval(value, unit));
    match (updated, promised) {
        (None, _) => "never",
        (Some(_), None) => "unpromised",
        (Some(updated), Some(promised)) if now - updated <= promised => "current",
        _ => "late",
    }
}

/// The longest time between two versions that a `frequency` allows.
fn interval(value: &str, unit: Option<&str>) -> Option<TimeDelta> {
    let value: f64 = value.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0 && *v < 1e6)?;
    let seconds = match unit? {
        "d" | "day" | "days" => 86_400.0,
        "h" | "hr" | "hour" | "hours" => 3_600.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "s" | "second" | "seconds" => 1.0,
        _ => return None,
    };
    TimeDelta::try_milliseconds((value * seconds * 1_000.0) as i64)
}

fn measure_frequency(info: &ProductInfo, level: &ServiceLevelInfo, now: DateTime<Utc>) -> Option<Status> {
    let old = now - time(info.updated_at.as_deref()?)?;
    let kept = old <= interval(&level.value, level.unit.as_deref())?;
    Some(Status::new(format!("{} old", age(old)), if kept { "good" } else { "bad" }))
}

/// How old the data is, beside how often the contract promises a new version.
pub(crate) fn freshness(info: &ProductInfo, now: DateTime<Utc>) -> Status {
    let Some(updated) = info.updated_at.as_deref().and_then(time) else {
        return Status::new("never published", "warn");
    };
    let old = now - updated;
    let promised = service_levels(info).into_iter().find(|l| l.property == "frequency");
    let Some((level, interval)) = promised.and_then(|l| Some((l, interval(&l.value, l.unit.as_deref())?))) else {
        return Status::new(format!("{} old, nothing promised", age(old)), "muted");
    };
    let promised = format!("promised every {} {}", decimal(&level.value), unit(level));
    match old <= interval {
        true => Status::new(format!("current: {} old, {promised}", age(old)), "good"),
        false => Status::new(format!("late: {} old, {promised}", age(old)), "bad"),
    }
}

pub(crate) fn access(roles: &[String]) -> String {
    let who = match roles {
        [] => "anonymous".to_owned(),
        [role] => role.clone(),
        roles => format!("{} ({})", roles.join(", "), count(roles.len() as i64, "role", "roles")),
    };
    format!("You read as {who}. Closed fields say why.")
}
