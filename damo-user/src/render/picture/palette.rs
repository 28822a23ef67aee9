//! Colours that people with any colour vision tell apart.

use super::scene::Color;

/// Points of matplotlib's viridis, which is in the public domain (CC0): its
/// lightness grows evenly, so that it is readable without colours, too.
const VIRIDIS: [Color; 10] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x28, 0x78],
    [0x3e, 0x49, 0x89],
    [0x31, 0x68, 0x8e],
    [0x26, 0x82, 0x8e],
    [0x1f, 0x9e, 0x89],
    [0x35, 0xb7, 0x79],
    [0x6e, 0xce, 0x58],
    [0xb5, 0xde, 0x2b],
    [0xfd, 0xe7, 0x25],
];

/// Levels of heat: one less than a byte holds, which is the unknown.
pub const LEVELS: usize = 255;

/// Colours of the levels, from cold to hot.
pub fn levels() -> [Color; LEVELS] {
    std::array::from_fn(|level| between(&VIRIDIS, level as f64 / (LEVELS - 1) as f64))
}

/// The level of a share of the hottest, 0 to 1.
pub fn level_of(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * (LEVELS - 1) as f64).round() as u8
}

/// The colour at a share of a ramp, 0 to 1.
pub fn between(ramp: &[Color], share: f64) -> Color {
    let place = share.clamp(0.0, 1.0) * ramp.len().saturating_sub(1) as f64;
    let color = |at: f64| ramp.get(at as usize).copied().unwrap_or_default();
    let (below, above) = (color(place.floor()), color(place.ceil()));
    let part = place.fract();
    std::array::from_fn(|i| {
        let at = |color: Color| color.get(i).copied().map_or(0.0, f64::from);
        (at(below) * (1.0 - part) + at(above) * part).round() as u8
    })
}

/// Lines of a chart, after Okabe and Ito.
pub const LINES: [Color; 6] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0x56, 0xb4, 0xe9],
    [0xe6, 0x9f, 0x00],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_from_dark_to_light() {
        let light = |color: &Color| -> u32 {
            // What a grey picture would show.
            let [red, green, blue] = color.map(u32::from);
            red * 299 + green * 587 + blue * 114
        };
        let levels = levels();
        assert!(levels.is_sorted_by(|a, b| light(a) < light(b)));
        assert_eq!((levels[0], levels[254]), (VIRIDIS[0], VIRIDIS[9]));
        assert_eq!(
            (level_of(0.0), level_of(1.0), level_of(f64::NAN)),
            (0, 254, 0)
        );
    }
}
