//! Saturated pixels and what surrounds them, where nothing can be said (task specification §9.1). Knows no sky and no file.

/// Pixels above so many electrons are saturated (deepCR).
pub const SATURATED: f32 = 70_000.0;
/// Half the side of the square that saturated pixels spread to: 7×7.
const SPREAD: usize = 3;

/// Visits the pixels of all 7×7 squares around saturated pixels; some more than once.
pub fn around_saturated(image: &[f32], height: usize, width: usize, visit: &mut dyn FnMut(usize)) {
    for (at, _) in image.iter().enumerate().filter(|(_, value)| **value > SATURATED) {
        let (y, x) = (at / width, at % width);
        for row in y.saturating_sub(SPREAD)..(y + SPREAD + 1).min(height) {
            for column in x.saturating_sub(SPREAD)..(x + SPREAD + 1).min(width) {
                visit(row * width + column);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SATURATED, around_saturated};

    #[test]
    fn saturation_spreads_to_a_square_that_the_border_cuts() {
        let mut image = vec![0.0; 100];
        image[0] = SATURATED + 1.0;
        image[99] = SATURATED;
        let mut seen = std::collections::BTreeSet::new();
        around_saturated(&image, 10, 10, &mut |at| {
            seen.insert(at);
        });
        let expected: std::collections::BTreeSet<usize> =
            (0..4).flat_map(|y| (0..4).map(move |x| y * 10 + x)).collect();
        assert_eq!(seen, expected);
    }
}
