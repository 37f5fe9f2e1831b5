//! Which visits show resolved galaxies, and the order of stamps (task specification §9.2, §9.3). Knows no file format.

/// The only filter that the benchmark uses.
pub const FILTER: &str = "f435w";

/// Visits tagged `GAL`, as proposal and visit (`NB360:backbone/data_utils/cosmic_dataset.py`, table `field_type`). The other
/// tags there are globular clusters and extragalactic fields.
const GALAXIES: &[(u32, &str)] = &[
    (9490, "a2"),
    (9490, "a3"),
    (10182, "pb"),
    (10182, "pd"),
    (10190, "13"),
    (10190, "28"),
    (10260, "5"),
    (10260, "7"),
    (10342, "3"),
    (10407, "3"),
    (10584, "13"),
    (10760, "2"),
    (10760, "4"),
    (12058, "1"),
    (12058, "12"),
    (12058, "16"),
    (12058, "6"),
    (12513, "2"),
    (12513, "3"),
    (13057, "1"),
    (13364, "95"),
    (13691, "11"),
    (13737, "2"),
    (13737, "3"),
    (13804, "6"),
    (14343, "1"),
    (14704, "1"),
];

/// Visits of the released archives that are left after the choice of filter and field, with their numbers of exposures, in
/// canonical order (task specification §9.2). Each exposure has 210 stamps.
pub const TRAIN_VISITS: &[(u32, &str, usize)] =
    &[(9490, "a3", 2), (10584, "13", 2), (10760, "2", 8), (10760, "4", 8), (12513, "2", 3)];
pub const TEST_VISITS: &[(u32, &str, usize)] = &[(10342, "3", 2)];

/// Where a stamp comes from. The derived order is the canonical one: proposal, exposure and stamp as numbers. Upstream takes
/// what the operating system lists first, which nobody can repeat (task specification §9.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Proposal and visit of the archives' tree; single stamps have none and come first.
    pub tree: Option<(u32, String)>,
    pub folder: String,
    /// From 1 on; 0 where the name does not say.
    pub exposure: u64,
    pub stamp: u64,
    pub name: String,
    /// Of an image that is cut into stamps.
    pub tile: u64,
}

/// Reads `<filter>/<proposal>/<visit>/<exposure>_<stamp>.npy` from the end of a path: its place, or `None` where it belongs
/// to another filter or field. A path that is not of this form is a single stamp, taken as it is.
pub fn place(path: &str) -> Option<Place> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.strip_suffix(".npy").unwrap_or(name);
    let numbers = stem.split_once('_').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let mut parts = folder.rsplit('/');
    let (visit, proposal, filter) = (parts.next(), parts.next().and_then(|p| p.parse().ok()), parts.next());
    let (exposure, stamp) = numbers.unwrap_or((0, 0));
    let (Some(visit), Some(proposal), Some(filter), true) = (visit, proposal, filter, numbers.is_some()) else {
        return Some(Place { tree: None, folder: folder.into(), exposure, stamp, name: name.into(), tile: 0 });
    };
    let wanted = filter.eq_ignore_ascii_case(FILTER) && GALAXIES.contains(&(proposal, visit));
    let tree = Some((proposal, visit.to_string()));
    wanted.then(|| Place { tree, folder: folder.into(), exposure, stamp, name: name.into(), tile: 0 })
}

#[cfg(test)]
mod tests {
    use super::{GALAXIES, TEST_VISITS, TRAIN_VISITS, place};

    #[test]
    fn the_order_is_numeric_and_other_fields_are_left_out() {
        let paths = [
            "npy_train/f435w/12513/2/1_1.npy",
            "npy_train/f435w/10760/2/10_0.npy",
            "npy_train/f435w/10760/2/2_10.npy",
            "npy_train/f435w/10760/2/2_9.npy",
            "npy_train/f435w/9490/a3/1_1.npy",
            "train/b.npy",
            "train/a.npy",
        ];
        let mut places: Vec<_> = paths.iter().map(|path| place(path).unwrap()).collect();
        places.sort();
        let names: Vec<_> = places.iter().map(|place| place.name.as_str()).collect();
        // single stamps come first, by name
        assert_eq!(names, ["a.npy", "b.npy", "1_1.npy", "2_9.npy", "2_10.npy", "10_0.npy", "1_1.npy"]);
        assert_eq!(place("npy_train/f814w/12513/2/1_1.npy"), None);
        assert_eq!(place("npy_train/f435w/10595/2/1_1.npy"), None, "a globular cluster");
        assert_eq!(place("x.npy").unwrap().tree, None);
        assert_eq!(place("f435w/12513/2/other.npy").unwrap().tree, None);
    }

    #[test]
    fn released_visits_are_galaxies_in_canonical_order() {
        for visits in [TRAIN_VISITS, TEST_VISITS] {
            let found = visits.iter().all(|(proposal, visit, _)| GALAXIES.contains(&(*proposal, *visit)));
            assert!(found && visits.is_sorted());
        }
        let exposures: usize = TRAIN_VISITS.iter().map(|visit| visit.2).sum();
        assert_eq!(exposures * 210, 4830);
    }
}
