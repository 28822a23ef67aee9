//! A snapshot as one line of columns, each as hot as what it shows.

use super::{Access, Weights};

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// How hot it is, by byte of the column.
    Heat(f64),
    /// Nothing is monitored, for so many columns.
    Void(f64),
}

/// A snapshot as one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// Ascending in address.
    pub cells: Vec<Cell>,
    /// The coldest column.
    pub coldest: f64,
    /// The hottest one.
    pub hottest: f64,
    /// Bytes of a column.
    pub column: f64,
}

/// A sum that is exact until a part of a region makes it a fraction: what is
/// shown of it is cut, so that the last digit matters.
#[derive(Clone, Copy)]
enum Sum {
    Exact(i128),
    Float(f64),
}

impl Sum {
    fn float(self) -> f64 {
        match self {
            Sum::Exact(sum) => sum as f64,
            Sum::Float(sum) => sum,
        }
    }

    fn exact(self, temperature: i64, bytes: u64) -> Sum {
        let product = i128::from(temperature).checked_mul(i128::from(bytes));
        let Sum::Exact(sum) = self else {
            let product = product.map_or(temperature as f64 * bytes as f64, |it| it as f64);
            return Sum::Float(self.float() + product);
        };
        match product.and_then(|product| sum.checked_add(product)) {
            Some(sum) => Sum::Exact(sum),
            None => Sum::Float(self.float() + temperature as f64 * bytes as f64),
        }
    }
}

/// Draws regions, which ascend in address, as `width` columns and the gaps
/// between them; if `in_place`, gaps are part of the width. `None` if there are
/// no bytes to show.
pub fn strip(regions: &[Access], width: u32, in_place: bool, weights: &Weights) -> Option<Strip> {
    let (first, last) = (regions.first()?, regions.last()?);
    let total = match in_place {
        true => last.end.saturating_sub(first.start) as f64,
        false => regions.iter().map(|r| u128::from(r.len())).sum::<u128>() as f64,
    };
    let column = total / f64::from(width.max(1));
    let ends = last.end as f64;
    let mut drawn = Strip {
        cells: Vec::new(),
        coldest: f64::INFINITY,
        hottest: f64::NEG_INFINITY,
        column,
    };
    let (mut start, mut rest) = (first.start as f64, regions);
    while start < ends {
        let end = start + column;
        if end <= start {
            // Columns that are too narrow for a float.
            break;
        }
        let gone = rest.iter().take_while(|r| r.end as f64 <= start).count();
        rest = rest.get(gone..).unwrap_or_default();
        let inside = rest.iter().take_while(|r| (r.start as f64) < end);
        let mut heat = None;
        for region in inside {
            let sum = heat.unwrap_or(Sum::Exact(0));
            heat = Some(add(sum, region, start, end, weights));
        }
        if let Some(heat) = heat {
            let heat = heat.float() / (end - start);
            drawn.coldest = drawn.coldest.min(heat);
            drawn.hottest = drawn.hottest.max(heat);
            drawn.cells.push(Cell::Heat(heat));
            start = end;
            continue;
        }
        let Some(next) = rest.first() else { break };
        // As if columns began at address 0.
        let next = ((next.start as f64) / column).floor() * column;
        // By rounding it may seem to lie no further: it does.
        let next = if next > start { next } else { end };
        drawn.cells.push(Cell::Void((next - start) / column));
        start = next;
    }
    (drawn.coldest <= drawn.hottest).then_some(drawn)
}

fn add(sum: Sum, region: &Access, start: f64, end: f64, weights: &Weights) -> Sum {
    let (from, to) = (region.start as f64, region.end as f64);
    if start <= from && to <= end {
        return sum.exact(weights.temperature(region), region.len());
    }
    let bytes = to.min(end) - from.max(start);
    let rate = (weights.rate as f64 * region.percent).trunc();
    let age = weights.age as f64 * region.age_us as f64;
    let score = bytes * weights.size as f64 + rate + age;
    let signed = if region.percent > 0.0 { score } else { -score };
    Sum::Float(sum.float() + signed * bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    const RATE: Weights = Weights {
        size: 0,
        rate: 1,
        age: 0,
    };

    #[test]
    fn columns_are_as_hot_as_their_bytes() {
        let regions = measured(&[(0, 50, 20, 0), (50, 100, 0, 0)]);
        let drawn = strip(&regions, 4, false, &RATE).unwrap();
        let heats = [100.0, 100.0, 0.0, 0.0].map(Cell::Heat);
        assert_eq!(drawn.cells, heats);
        assert_eq!(
            (drawn.coldest, drawn.hottest, drawn.column),
            (0.0, 100.0, 25.0)
        );
        let halves = strip(&regions, 1, false, &RATE).unwrap();
        assert_eq!(halves.cells, [Cell::Heat(50.0)]);
    }

    #[test]
    fn gaps_are_no_columns_unless_everything_is_in_its_place() {
        let regions = measured(&[(0, 100, 20, 0), (900, 1000, 10, 0)]);
        let drawn = strip(&regions, 4, false, &RATE).unwrap();
        let (hot, warm) = (Cell::Heat(100.0), Cell::Heat(50.0));
        assert_eq!(drawn.cells, [hot, hot, Cell::Void(16.0), warm, warm]);
        let placed = strip(&regions, 10, true, &RATE).unwrap();
        assert_eq!(placed.cells, [hot, Cell::Void(8.0), warm]);
    }

    #[test]
    fn nothing_to_show_is_nothing_and_odd_addresses_end() {
        assert_eq!(strip(&[], 80, false, &RATE), None);
        assert_eq!(strip(&measured(&[(7, 7, 1, 1)]), 80, false, &RATE), None);
        let high = measured(&[(u64::MAX - 9, u64::MAX, 1, 1), (0, 0, 0, 0)]);
        assert_eq!(strip(&high, 80, false, &RATE), None);
        let far = measured(&[(0, 1, 1, 1), (u64::MAX - 1, u64::MAX, 1, 1)]);
        // Ends, whatever it shows.
        let _ = strip(&far, 80, false, &RATE);
    }
}
