//! Rates: turns who asks, and how often or how much, into an admission or the time to wait.

use crate::config::{RateConfig, RatesConfig};
use axum::extract::ConnectInfo;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{Extensions, HeaderMap};
use moka::sync::Cache;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use terrane_graphql::GraphqlError;
use terrane_policy::Caller;

/// Who is counted: a caller that has signed in by its subject, others by their address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    Subject(String),
    Address(IpAddr),
    /// Not signed in, and without an address.
    Nobody,
}

/// Why a request has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

/// A bound for each of many, of whom the latest are known.
pub struct Keyed<K> {
    quota: Quota,
    known: Cache<K, Arc<DefaultDirectRateLimiter>>,
}

/// The bounds of a gateway.
pub struct Rates {
    all: Option<DefaultDirectRateLimiter>,
    address: Option<Keyed<IpAddr>>,
    caller: Option<Keyed<Who>>,
    forwarded_for: bool,
    /// Whether somebody wants to know addresses.
    counts: bool,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Keyed<K> {
    /// The same bound for each; at most `most` are known.
    pub fn new(config: &RateConfig, most: u64) -> Self {
        Self { quota: quota(config), known: Cache::new(most.max(1)) }
    }

    /// Take `amount` from what `who` has left.
    ///
    /// # Errors
    /// [`Wait`]; for ever where it is more than anybody ever has.
    pub fn take(&self, who: &K, amount: NonZeroU32) -> Result<(), Wait> {
        let limiter = self.known.get_with_by_ref(who, || Arc::new(RateLimiter::direct(self.quota)));
        take(&limiter, amount)
    }
}

impl Rates {
    /// The bounds of these settings; `budgets` where callers have budgets besides.
    pub fn new(config: &RatesConfig, budgets: bool) -> Self {
        Self {
            counts: budgets || config.address.is_some() || config.caller.is_some(),
            all: config.all.as_ref().map(|rate| RateLimiter::direct(quota(rate))),
            address: config.address.as_ref().map(|rate| Keyed::new(rate, config.known)),
            caller: config.caller.as_ref().map(|rate| Keyed::new(rate, config.known)),
            forwarded_for: config.forwarded_for,
        }
    }

    /// Admit a request before anything is known of it but where it comes from.
    ///
    /// # Errors
    /// [`Wait`].
    pub fn admit(&self, address: Option<IpAddr>) -> Result<(), Wait> {
        if let (Some(rate), Some(address)) = (&self.address, address) {
            rate.take(&network(address), NonZeroU32::MIN)?;
        }
        self.all.as_ref().map_or(Ok(()), |all| take(all, NonZeroU32::MIN))
    }

    /// Admit an operation of a caller.
    ///
    /// # Errors
    /// [`Wait`].
    pub fn admit_caller(&self, caller: &Caller, address: Option<IpAddr>) -> Result<(), Wait> {
        self.caller.as_ref().map_or(Ok(()), |rate| rate.take(&Who::of(caller, address), NonZeroU32::MIN))
    }

    /// Whether requests are looked at before they are read.
    pub fn admits_early(&self) -> bool {
        self.all.is_some() || self.address.is_some()
    }

    /// Where a request comes from: the connection's other end, or what the proxy there says.
    pub fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        if !self.counts {
            return None;
        }
        let said = || {
            // the last one is what the nearest proxy has seen; those before it can be made up by anybody
            let said = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            said.rsplit(',').next()?.trim().parse().ok()
        };
        let connection = || extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
        if self.forwarded_for { said().or_else(connection) } else { connection() }
    }
}

impl Who {
    pub fn of(caller: &Caller, address: Option<IpAddr>) -> Self {
        match (&caller.subject, address) {
            (Some(subject), _) if caller.signed_in => Self::Subject(subject.clone()),
            (_, Some(address)) => Self::Address(network(address)),
            (_, None) => Self::Nobody,
        }
    }
}

impl Wait {
    /// Whole seconds, for `retry-after`.
    pub fn seconds(self) -> u64 {
        self.0.as_millis().div_ceil(1000).clamp(1, 3600) as u64
    }

    /// What the client reads of it; each is counted.
    pub fn error(self) -> GraphqlError {
        metrics::counter!("terrane_gateway_requests_limited_total").increment(1);
        GraphqlError::new("RATE_LIMITED", format!("too many requests; try again in {} s", self.seconds()))
    }
}

fn quota(config: &RateConfig) -> Quota {
    let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let rate = Quota::per_second(at_least_one(config.per_second));
    rate.allow_burst(at_least_one(config.burst.unwrap_or(config.per_second)))
}

fn take(limiter: &DefaultDirectRateLimiter, amount: NonZeroU32) -> Result<(), Wait> {
    match limiter.check_n(amount) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(not_until)) => Err(Wait(not_until.wait_time_from(DefaultClock::default().now()))),
        Err(_) => Err(Wait(Duration::MAX)),
    }
}

/// An address of version 4 as it is; of version 6 the network that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn each_has_a_burst_of_its_own() {
        let rate = Keyed::new(&RateConfig { per_second: 1, burst: Some(3) }, 10);
        let amount = |n| NonZeroU32::new(n).unwrap();
        assert_eq!(rate.take(&"a", amount(2)), Ok(()));
        assert!(rate.take(&"a", amount(2)).unwrap_err().seconds() == 1);
        assert_eq!(rate.take(&"a", amount(1)), Ok(()));
        assert_eq!(rate.take(&"b", amount(3)), Ok(()));
        assert_eq!(rate.take(&"b", amount(4)), Err(Wait(Duration::MAX)));
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn only_the_nearest_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        let address = |forwarded_for| {
            let rates = Rates::new(&RatesConfig { forwarded_for, ..RatesConfig::default() }, true);
            rates.address(&headers, &Extensions::new()).map(|address| address.to_string())
        };
        assert_eq!((address(false), address(true).as_deref()), (None, Some("2.2.2.2")));
    }
}
