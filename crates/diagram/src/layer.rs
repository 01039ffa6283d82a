//! Layers: turns a directed graph into columns of boxes, edges pointing to the right, with few crossings.

use std::collections::{BTreeSet, HashMap};

/// More waypoints than this are not worth their crossings: long edges are then drawn straight.
const MOST_WAYPOINTS: usize = 4_000;
/// Sweeps that look for a better order.
const SWEEPS: usize = 8;

/// A graph by index: what is drawn, without doubles, loops and unknown ends.
#[derive(Debug)]
pub(crate) struct Layered {
    /// Boxes first (by their index), then waypoints.
    pub columns: Vec<Vec<usize>>,
    /// Each edge as the cells that it runs through, from where it starts to what it points to.
    pub routes: Vec<Vec<usize>>,
    /// Number of cells, waypoints included.
    pub cells: usize,
}

/// Put `boxes` boxes with `edges` between them into columns.
pub(crate) fn layer(boxes: usize, edges: &[(usize, usize)]) -> Layered {
    let wanted: BTreeSet<(usize, usize)> = edges.iter().copied().filter(|(from, to)| from != to).collect();
    let forward = break_cycles(boxes, &wanted);
    let column_of = longest_paths(boxes, &forward);
    let (mut columns, mut routes, cells) = add_waypoints(boxes, &forward, &column_of);
    reduce_crossings(&mut columns, &routes, cells);
    for route in &mut routes {
        let (first, last) = (route[0], route[route.len() - 1]);
        if !wanted.contains(&(first, last)) {
            route.reverse();
        }
    }
    // of an edge in both directions, one was dropped as a double of the other turned around
    let both = wanted.iter().filter(|(a, b)| a > b && wanted.contains(&(*b, *a)));
    let turned: Vec<Vec<usize>> = both
        .filter_map(|(a, b)| routes.iter().find(|r| ends(r) == (*b, *a) || ends(r) == (*a, *b)))
        .map(|route| route.iter().rev().copied().collect())
        .collect();
    routes.extend(turned);
    routes.sort_by_key(|route| ends(route));
    Layered { columns, routes, cells }
}

fn ends(route: &[usize]) -> (usize, usize) {
    (route[0], route[route.len() - 1])
}

/// The edges with those that close a cycle turned around, each pair once.
fn break_cycles(boxes: usize, edges: &BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    let mut after = vec![Vec::new(); boxes];
    let mut entered = vec![0_usize; boxes];
    for (from, to) in edges {
        after[*from].push(*to);
        entered[*to] += 1;
    }
    // 0 unseen, 1 on the path, 2 done
    let mut state = vec![0_u8; boxes];
    let mut forward = BTreeSet::new();
    // from where nothing comes in first, so that what turns an edge around is a cycle and not the order of ids
    let mut starts: Vec<usize> = (0..boxes).collect();
    starts.sort_by_key(|index| (entered[*index] > 0, *index));
    for start in starts {
        if state[start] != 0 {
            continue;
        }
        state[start] = 1;
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(to) = after[node].get(*next).copied() else {
                state[node] = 2;
                path.pop();
                continue;
            };
            *next += 1;
            if state[to] == 1 {
                forward.insert((to, node));
                continue;
            }
            forward.insert((node, to));
            if state[to] == 0 {
                state[to] = 1;
                path.push((to, 0));
            }
        }
    }
    forward
}

/// The column of each box: the length of the longest way to it.
fn longest_paths(boxes: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut column = vec![0_usize; boxes];
    let mut missing = vec![0_usize; boxes];
    let mut after = vec![Vec::new(); boxes];
    for (from, to) in edges {
        missing[*to] += 1;
        after[*from].push(*to);
    }
    let mut ready: Vec<usize> = (0..boxes).filter(|index| missing[*index] == 0).collect();
    while let Some(from) = ready.pop() {
        for to in &after[from] {
            column[*to] = column[*to].max(column[from] + 1);
            missing[*to] -= 1;
            if missing[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    // a source stands beside what it feeds, not at the far left
    for from in 0..boxes {
        let fed = after[from].iter().map(|to| column[*to]).min();
        let is_source = !edges.iter().any(|(_, to)| *to == from);
        if let (Some(nearest), true) = (fed, is_source) {
            column[from] = nearest.saturating_sub(1);
        }
    }
    column
}

type Columns = (Vec<Vec<usize>>, Vec<Vec<usize>>, usize);

/// A cell in every column that an edge crosses.
fn add_waypoints(boxes: usize, edges: &BTreeSet<(usize, usize)>, column_of: &[usize]) -> Columns {
    let width = column_of.iter().max().map_or(0, |last| last + 1);
    let mut columns = vec![Vec::new(); width];
    for (index, column) in column_of.iter().enumerate() {
        columns[*column].push(index);
    }
    let crossed: usize = edges.iter().map(|(from, to)| column_of[*to].saturating_sub(column_of[*from] + 1)).sum();
    let mut cells = boxes;
    let mut routes = Vec::with_capacity(edges.len());
    for (from, to) in edges {
        let mut route = vec![*from];
        if crossed <= MOST_WAYPOINTS {
            for column in &mut columns[column_of[*from] + 1..column_of[*to]] {
                column.push(cells);
                route.push(cells);
                cells += 1;
            }
        }
        route.push(*to);
        routes.push(route);
    }
    (columns, routes, cells)
}

/// Order each column by where its neighbours are, to and fro.
fn reduce_crossings(columns: &mut [Vec<usize>], routes: &[Vec<usize>], cells: usize) {
    let mut neighbours = vec![(Vec::new(), Vec::new()); cells];
    for step in routes.iter().flat_map(|route| route.windows(2)) {
        neighbours[step[1]].0.push(step[0]);
        neighbours[step[0]].1.push(step[1]);
    }
    let mut best: Vec<Vec<usize>> = columns.to_vec();
    let mut fewest = crossings(&best, routes);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let rightwards = sweep % 2 == 0;
        let order: Vec<usize> = if rightwards {
            (1..columns.len()).collect()
        } else {
            (0..columns.len().saturating_sub(1)).rev().collect()
        };
        for column in order {
            let places = places(columns);
            let middle = |cell: &usize| {
                let of = if rightwards { &neighbours[*cell].0 } else { &neighbours[*cell].1 };
                let sum: usize = of.iter().map(|other| places[other]).sum();
                // thousandths, so that the order is exact
                if of.is_empty() { places[cell] * 1_000 } else { sum * 1_000 / of.len() }
            };
            columns[column].sort_by_key(|cell| (middle(cell), places[cell]));
        }
        let now = crossings(columns, routes);
        if now < fewest {
            (fewest, best) = (now, columns.to_vec());
        }
    }
    columns.clone_from_slice(&best);
}

fn places(columns: &[Vec<usize>]) -> HashMap<usize, usize> {
    columns.iter().flat_map(|column| column.iter().enumerate().map(|(place, cell)| (*cell, place))).collect()
}

/// How many pairs of edges cross between neighbouring columns.
fn crossings(columns: &[Vec<usize>], routes: &[Vec<usize>]) -> usize {
    let places = places(columns);
    let column_of: HashMap<usize, usize> =
        columns.iter().enumerate().flat_map(|(at, column)| column.iter().map(move |cell| (*cell, at))).collect();
    let mut steps: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    for step in routes.iter().flat_map(|route| route.windows(2)) {
        steps.entry(column_of[&step[0]]).or_default().push((places[&step[0]], places[&step[1]]));
    }
    let count = |steps: &Vec<(usize, usize)>| {
        let mut sorted = steps.clone();
        sorted.sort_unstable();
        inversions(&sorted.iter().map(|(_, to)| *to).collect::<Vec<_>>())
    };
    steps.values().map(count).sum()
}

/// Pairs that are out of order, by a Fenwick tree: a thousand edges between two columns are no problem.
fn inversions(values: &[usize]) -> usize {
    let mut tree = vec![0_usize; values.iter().max().map_or(0, |max| max + 2)];
    let mut found = 0;
    for (seen, value) in values.iter().enumerate() {
        let mut at = value + 1;
        let mut not_larger = 0;
        while at > 0 {
            not_larger += tree[at];
            at &= at - 1;
        }
        found += seen - not_larger;
        at = value + 1;
        while at < tree.len() {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_point_to_the_right_but_for_those_that_close_a_cycle() {
        let layered = layer(4, &[(0, 1), (1, 2), (2, 0), (3, 2), (1, 1)]);
        let columns: Vec<Vec<usize>> =
            layered.columns.iter().map(|c| c.iter().copied().filter(|cell| *cell < 4).collect()).collect();
        let column = |cell: usize| columns.iter().position(|c: &Vec<usize>| c.contains(&cell)).unwrap();
        let backwards = layered.routes.iter().filter(|r| column(r[0]) > column(r[r.len() - 1])).count();
        assert_eq!((layered.routes.len(), backwards), (4, 1));
    }

    #[test]
    fn a_twisted_pair_is_untwisted() {
        let layered = layer(4, &[(0, 3), (1, 2)]);
        assert_eq!(crossings(&layered.columns, &layered.routes), 0);
        assert_eq!(inversions(&[2, 1, 0, 0]), 5);
    }

    #[test]
    fn an_edge_in_both_directions_is_drawn_twice() {
        let routes = layer(2, &[(0, 1), (1, 0)]).routes;
        assert_eq!(routes, [vec![0, 1], vec![1, 0]]);
    }
}
