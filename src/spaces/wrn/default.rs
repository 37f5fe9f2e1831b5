//! The default network of this space for a task: WRN-16-4. Knows no training and no algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::{Target, TaskShape};
use crate::spaces::contract::default::DefaultParams;
use crate::spaces::wrn::architecture::{Head, WrnArchitecture};
use crate::spaces::wrn::series_resnet::SeriesResnet;

/// Backbone `16,4` of the benchmark (`NB360:backbone/backbone_pt.py`); the first convolution has 16 channels.
const DEPTH: usize = 16;
const WIDEN: usize = 4;
const WIDTH: usize = 16;
/// First block of the network for series (`NB360:backbone_1d/backbone_1d.py`).
const SERIES_WIDTH: usize = 64;
/// Upstream pools with kernel and stride 8 whatever the plane.
const WINDOW: usize = 8;

/// Side of a plane after the two blocks of stride 2 (3×3, padding 1).
fn reduced(side: usize) -> usize {
    side.div_ceil(2).div_ceil(2)
}

/// The plane that the head pools. Upstream lists planes that it pools as a whole (2×8, 4×13, height 6, and all of the
/// multi-label form), and else averages 8×8 windows: with sides of 8 to 15 there is just one, the top left one, which on
/// Spherical's 15×15 misses most of the plane. Where windows do not give one value upstream fails, and here the whole counts.
fn head(shape: &TaskShape, height: usize, width: usize, global: bool) -> Head {
    let plane = (reduced(height), reduced(width));
    let one_window = |side: usize| (WINDOW..2 * WINDOW).contains(&side);
    let whole = global
        || matches!(shape.target, Target::MultiLabel { .. })
        || plane == (WINDOW, WINDOW)
        || !(one_window(plane.0) && one_window(plane.1));
    if whole { Head::Global } else { Head::Corner { window: WINDOW } }
}

pub fn choose(shape: &TaskShape, params: &DefaultParams) -> Result<Architecture, String> {
    let head = match (&shape.target, &shape.spatial[..]) {
        (Target::Dense { .. }, [_] | [_, _]) => Head::Positions,
        (_, [height, width]) => head(shape, *height, *width, params.global_head),
        (_, [_]) if params.wide_series => Head::Global,
        (_, [_]) => return Ok(SeriesResnet { width: params.width.map_or(SERIES_WIDTH, |w| WIDEN * w) }.encode()),
        _ => return Err(format!("space wrn takes series and planes, found {:?}", shape.spatial)),
    };
    WrnArchitecture { depth: DEPTH, widen: WIDEN, width: params.width.unwrap_or(WIDTH), head }.encode()
}

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::artifacts::dataset::{Target, TaskShape};
    use crate::spaces::contract::default::DefaultParams;
    use crate::spaces::wrn::architecture::{Head, WrnArchitecture};
    use crate::spaces::wrn::series_resnet::SeriesResnet;

    fn head(spatial: &[usize], target: Target, global_head: bool) -> Head {
        let shape = TaskShape { channels: 1, spatial: spatial.to_vec(), target };
        let architecture = choose(&shape, &DefaultParams { global_head, ..DefaultParams::default() }).unwrap();
        let found = WrnArchitecture::decode(&architecture).unwrap();
        assert_eq!((found.depth, found.widen, found.width), (16, 4, 16));
        found.head
    }

    #[test]
    fn heads_follow_the_final_plane() {
        let point = || Target::Point { classes: 5 };
        assert_eq!(head(&[32, 32], point(), false), Head::Global); // 8×8: the window is the plane
        assert_eq!(head(&[60, 60], point(), false), Head::Corner { window: 8 });
        assert_eq!(head(&[60, 60], point(), true), Head::Global);
        assert_eq!(head(&[16, 52], point(), false), Head::Global); // 4×13
        assert_eq!(head(&[96, 101], Target::MultiLabel { labels: 200 }, false), Head::Global);
        assert_eq!(head(&[85, 85], Target::Dense { channels: 1 }, false), Head::Positions);
        let series = TaskShape { channels: 1, spatial: vec![1000], target: point() };
        let chosen = choose(&series, &DefaultParams { width: Some(2), ..DefaultParams::default() }).unwrap();
        assert_eq!(SeriesResnet::decode(&chosen), Ok(Some(SeriesResnet { width: 8 })));
        let chosen = choose(&series, &DefaultParams { wide_series: true, ..DefaultParams::default() }).unwrap();
        assert_eq!(WrnArchitecture::decode(&chosen).unwrap().head, Head::Global);
        let shape = TaskShape { channels: 1, spatial: vec![2, 3, 4], target: point() };
        assert!(choose(&shape, &DefaultParams::default()).unwrap_err().contains("[2, 3, 4]"));
    }
}
