//! Progress: turns what a command does into a spinner on a terminal, and into lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(120);

/// What goes on.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    /// This goes on now.
    pub(crate) fn say(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("… {text}");
        }
        self.bar.set_message(text.to_owned());
    }

    /// A line that stays.
    pub(crate) fn line(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Something is done.
    pub(crate) fn done(&self, text: &str) {
        self.line(&format!("✓ {text}"));
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
