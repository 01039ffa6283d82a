//! Memory: turns what the system says of this process into bytes.

/// Resident bytes of this process, by `/proc`.
///
/// # Panics
/// Where there is no such file.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells of memory");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second number is that of resident pages") * 4096
}
