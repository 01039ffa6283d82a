//! Places: turns columns of boxes into coordinates, each cell as close to its neighbours as its column lets it be.

use crate::layer::Layered;

/// Between boxes of a column.
const GAP: f64 = 18.0;
/// Between columns: room for a curve, and more where many run beside each other.
const AISLE: f64 = 56.0;
const MORE: f64 = 1.6;
const MOST_MORE: usize = 60;
/// Around the drawing.
const MARGIN: f64 = 12.0;
/// Passes to and fro.
const PASSES: usize = 6;

/// Width and height of a cell.
pub(crate) type Size = (f64, f64);

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Upper left corner of each cell.
    pub corners: Vec<(f64, f64)>,
    /// Width and height of the drawing.
    pub size: Size,
}

/// Place cells of the given sizes, one for each; `threads` edges run between two columns, more or less.
pub(crate) fn place(layered: &Layered, sizes: &[Size], threads: usize) -> Placed {
    let aisle = AISLE + threads.min(MOST_MORE) as f64 * MORE;
    let size = |cell: usize| sizes[cell];
    let mut neighbours = vec![Vec::new(); layered.cells];
    for step in layered.routes.iter().flat_map(|route| route.windows(2)) {
        neighbours[step[0]].push(step[1]);
        neighbours[step[1]].push(step[0]);
    }
    let mut centres = vec![0.0; layered.cells];
    for column in &layered.columns {
        let mut down = 0.0;
        for cell in column {
            centres[*cell] = down + size(*cell).1 / 2.0;
            down += size(*cell).1 + GAP;
        }
    }
    let count = layered.columns.len();
    for pass in 0..PASSES {
        for at in 0..count {
            let column = &layered.columns[if pass % 2 == 0 { at } else { count - 1 - at }];
            let wanted: Vec<f64> = column
                .iter()
                .map(|cell| {
                    let of = &neighbours[*cell];
                    let sum: f64 = of.iter().map(|other| centres[*other]).sum();
                    if of.is_empty() { centres[*cell] } else { sum / of.len() as f64 }
                })
                .collect();
            let heights: Vec<f64> = column.iter().map(|cell| size(*cell).1).collect();
            for (cell, centre) in column.iter().zip(spread(&wanted, &heights)) {
                centres[*cell] = centre;
            }
        }
    }
    let top = (0..layered.cells).map(|cell| centres[cell] - size(cell).1 / 2.0).fold(f64::INFINITY, f64::min);
    let mut corners = vec![(0.0, 0.0); layered.cells];
    let (mut right, mut bottom) = (MARGIN, MARGIN);
    for (at, column) in layered.columns.iter().enumerate() {
        let width = column.iter().map(|cell| size(*cell).0).fold(0.0, f64::max);
        for cell in column {
            let y = centres[*cell] - size(*cell).1 / 2.0 - top + MARGIN;
            corners[*cell] = (right + (width - size(*cell).0) / 2.0, y);
            bottom = bottom.max(y + size(*cell).1);
        }
        right += width + if at + 1 < count { aisle } else { 0.0 };
    }
    Placed { corners, size: (right + MARGIN, bottom + MARGIN) }
}

/// Centres closest to the wanted ones (least squares) that keep the order and the gaps: pool adjacent violators.
fn spread(wanted: &[f64], heights: &[f64]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(wanted.len());
    let mut offset = 0.0;
    for (at, height) in heights.iter().enumerate() {
        if at > 0 {
            offset += (heights[at - 1] + height) / 2.0 + GAP;
        }
        offsets.push(offset);
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (centre, offset) in wanted.iter().zip(&offsets) {
        let mut pool = (centre - offset, 1);
        while let Some((sum, number)) = pools.pop_if(|last| last.0 / last.1 as f64 > pool.0 / pool.1 as f64) {
            pool = (pool.0 + sum, pool.1 + number);
        }
        pools.push(pool);
    }
    let levels = pools.iter().flat_map(|(sum, number)| std::iter::repeat_n(sum / *number as f64, *number));
    levels.zip(&offsets).map(|(level, offset)| level + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_order_and_distance() {
        assert_eq!(spread(&[0.0, 0.0], &[10.0, 10.0]), [-14.0, 14.0]);
        assert_eq!(spread(&[0.0, 100.0], &[10.0, 10.0]), [0.0, 100.0]);
        assert_eq!(spread(&[50.0, 0.0, 200.0], &[0.0, 0.0, 0.0]), [16.0, 34.0, 200.0]);
    }
}
