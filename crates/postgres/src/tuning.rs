//! Tuning: turns the machine's memory and cores into server settings.

/// Settings for `postgres -c name=value`, for a machine of `memory` bytes shared with this program and others.
pub fn settings(memory: u64, durable: bool) -> Vec<(&'static str, String)> {
    let megabytes = memory / (1024 * 1024);
    let shared = (megabytes / 8).clamp(64, 2048);
    let work = (megabytes / 512).clamp(4, 64);
    let mut settings = vec![
        ("shared_buffers", format!("{shared}MB")),
        ("effective_cache_size", format!("{}MB", (megabytes / 2).max(128))),
        ("work_mem", format!("{work}MB")),
        ("maintenance_work_mem", format!("{}MB", (megabytes / 32).clamp(32, 512))),
        ("max_connections", "300".to_owned()),
        ("max_wal_size", "2GB".to_owned()),
        ("wal_compression", "on".to_owned()),
        ("random_page_cost", "1.1".to_owned()),
        // statements here are short and their plans are cached: compiling them costs more than it saves
        ("jit", "off".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("password_encryption", "scram-sha-256".to_owned()),
        ("cluster_name", "terrane".to_owned()),
    ];
    if !durable {
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            settings.push((name, "off".to_owned()));
        }
    }
    settings
}

/// The machine's memory in bytes; 2 GiB where it cannot be told.
pub fn memory() -> u64 {
    const UNKNOWN: u64 = 2 * 1024 * 1024 * 1024;
    if let Ok(text) = std::fs::read_to_string("/proc/meminfo") {
        let kilobytes = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        return kilobytes.map_or(UNKNOWN, |kb| kb * 1024);
    }
    let output = std::process::Command::new("sysctl").args(["-n", "hw.memsize"]).output();
    output.ok().and_then(|o| String::from_utf8_lossy(&o.stdout).trim().parse().ok()).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_bounds_on_tiny_and_huge_machines() {
        let of = |memory| settings(memory, true).into_iter().find(|(n, _)| *n == "shared_buffers").unwrap().1;
        assert_eq!(of(128 << 20), "64MB");
        assert_eq!(of(1 << 40), "2048MB");
        assert!(settings(1 << 30, true).iter().all(|(name, _)| *name != "fsync"));
        assert!(memory() > 0);
    }
}
