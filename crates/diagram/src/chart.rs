//! Charts: turns numbers over time into a row of small bars, every text in it escaped.

use crate::svg::escape;
use std::fmt::Write as _;

const TEXT: &str = "writing to text does not fail";
/// Width of a bar, and from one bar to the next.
const BAR: f64 = 10.0;
const STEP: f64 = 14.0;
/// Height of the highest bar.
const HEIGHT: f64 = 64.0;
/// The least height of a part that is not nothing: it has to be seen.
const LEAST: f64 = 2.0;
/// Fewer bars than this leave room, so that one bar is not the whole chart.
const FEWEST: usize = 12;

/// Bars over time.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What the chart shows, for those who don't see it.
    pub label: String,
    /// From left to right.
    pub bars: Vec<Bar>,
}

/// One bar, of parts that stand on each other.
#[derive(Debug, Clone, Default)]
pub struct Bar {
    /// Said where somebody points at it.
    pub title: String,
    /// From the bottom up.
    pub parts: Vec<Part>,
}

/// A part of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// `good`, `warn`, `bad` or `muted`: the style sheet has the colours. What is `warn` or `bad` is also drawn narrower, as
    /// a colour alone tells nothing to some.
    pub tone: &'static str,
    /// How much; what is less than nothing is nothing.
    pub value: f64,
}

/// The drawing.
pub fn bars(chart: &Chart) -> String {
    let total = |bar: &Bar| bar.parts.iter().map(amount).sum::<f64>();
    let most = chart.bars.iter().map(total).fold(0.0, f64::max);
    let width = chart.bars.len().max(FEWEST) as f64 * STEP;
    let (label, base) = (escape(&chart.label), HEIGHT + 4.0);
    let mut out = format!(
        "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {:.0}\" width=\"{width:.0}\" \
         height=\"{:.0}\" role=\"img\" aria-label=\"{label}\">\n<path class=\"axis\" d=\"M0 {base:.1} L{width:.1} {base:.1}\"/>\n",
        HEIGHT + 8.0,
        HEIGHT + 8.0
    );
    for (at, bar) in chart.bars.iter().enumerate() {
        let left = at as f64 * STEP + (STEP - BAR) / 2.0;
        write!(out, "<g class=\"bar\"><title>{}</title>", escape(&bar.title)).expect(TEXT);
        let mut top = base;
        for part in bar.parts.iter().filter(|part| amount(part) > 0.0) {
            let height = if most > 0.0 { (amount(part) / most * HEIGHT).max(LEAST) } else { LEAST };
            top -= height;
            let inset = match part.tone {
                "warn" => 1.5,
                "bad" => 3.0,
                _ => 0.0,
            };
            write!(
                out,
                "<rect class=\"{}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                tone(part.tone),
                left + inset,
                BAR - inset * 2.0
            )
            .expect(TEXT);
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>");
    out
}

fn amount(part: &Part) -> f64 {
    if part.value.is_finite() { part.value.max(0.0) } else { 0.0 }
}

/// A class that the style sheet has.
fn tone(given: &str) -> &str {
    ["good", "warn", "bad"].into_iter().find(|known| *known == given).unwrap_or("muted")
}
