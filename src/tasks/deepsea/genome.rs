//! DeepSEA from a genome and its peaks: which bins carry which labels, which windows each split takes, and how bases become
//! planes (task specification §12.1–12.2; Zhou and Troyanskaya, Nature Methods 2015, online methods). Knows no file format.
//!
//! The genome is cut into bins of 200 bases; a bin is positive for a track where one peak covers more than half of it; a sample
//! is the window around a bin with a label. Chromosomes 8 and 9 are for testing, chr7:30,508,751–35,296,850 for validation, the
//! other autosomes for training. Where a genome lacks one of these chromosomes, its windows are split into three runs by order.

use std::collections::BTreeMap;

/// Bases of a bin.
pub const BIN: u64 = 200;
/// Autosomes of the human genome.
const AUTOSOMES: std::ops::RangeInclusive<u32> = 1..=22;
const TEST: [&str; 2] = ["8", "9"];
/// First and last base, counted from 0, of the validation part of chromosome 7.
const VALIDATION: (&str, std::ops::Range<u64>) = ("7", 30_508_750..35_296_850);

/// One sequence: a chromosome, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub chromosome: String,
    /// Of the first base in the chromosome, from 0.
    pub start: u64,
    pub length: u64,
}

impl Region {
    /// From the name of a sequence: `chr8`, or `chr22:32000001-32210000` with the first and the last base, counted from 1. The
    /// error says what was expected.
    pub fn named(name: &str, length: u64) -> Result<Region, String> {
        let word = name.split_whitespace().next().unwrap_or("");
        let place = word.rsplit_once(':').and_then(|(chromosome, range)| {
            let (first, last) = range.split_once('-')?;
            Some((chromosome, first.parse::<u64>().ok()?.checked_sub(1)?, last.parse::<u64>().ok()?))
        });
        let Some((chromosome, start, end)) = place else {
            return Ok(Region { chromosome: word.to_string(), start: 0, length });
        };
        if end.checked_sub(start) != Some(length) {
            return Err(format!("sequence `{word}`: as many bases as its name says were expected, found {length}"));
        }
        Ok(Region { chromosome: chromosome.to_string(), start, length })
    }

    fn bare(&self) -> &str {
        self.chromosome.strip_prefix("chr").unwrap_or(&self.chromosome)
    }
}

/// A bin with its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bin {
    /// Number of the region.
    pub region: usize,
    /// First base of its window, counted from the start of the region.
    pub window: u64,
    /// Rising.
    pub labels: Vec<u32>,
}

/// Collects the bins that peaks cover.
pub struct Bins<'a> {
    regions: &'a [Region],
    places: BTreeMap<&'a str, Vec<usize>>,
    /// Bases of a window.
    length: u64,
    /// Region, bin and label.
    hits: Vec<(u32, u64, u32)>,
}

impl<'a> Bins<'a> {
    /// `length`, at least one bin, differs from it by an even number, so that the bin lies in the middle.
    pub fn new(regions: &'a [Region], length: usize) -> Bins<'a> {
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, region) in regions.iter().enumerate() {
            places.entry(&region.chromosome).or_default().push(at);
        }
        Bins { regions, places, length: length as u64, hits: Vec::new() }
    }

    /// A peak over bases `start..end` of a chromosome, counted from 0. What lies in no region is passed over.
    pub fn peak(&mut self, chromosome: &str, start: u64, end: u64, label: u32) {
        for at in self.places.get(chromosome).into_iter().flatten() {
            let region = &self.regions[*at];
            // only what the region holds: a peak's length is a number in a file
            let (start, end) = (start.max(region.start), end.min(region.start + region.length));
            if start >= end {
                continue;
            }
            for bin in start / BIN..=(end - 1) / BIN {
                let covered = end.min((bin + 1) * BIN) - start.max(bin * BIN);
                if 2 * covered > BIN && self.window(region, bin).is_some() {
                    self.hits.push((*at as u32, bin, label));
                }
            }
        }
    }

    /// First base of the window around a bin, if the region holds all of it.
    fn window(&self, region: &Region, bin: u64) -> Option<u64> {
        let start = (bin * BIN).checked_sub((self.length - BIN) / 2)?.checked_sub(region.start)?;
        (start + self.length <= region.length).then_some(start)
    }

    /// The bins with a label, in the order of the regions.
    pub fn finish(mut self) -> Vec<Bin> {
        self.hits.sort_unstable();
        self.hits.dedup();
        let mut bins = Vec::new();
        for of in self.hits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (region, bin, _) = of[0];
            if let Some(window) = self.window(&self.regions[region as usize], bin) {
                let labels = of.iter().map(|(_, _, label)| *label).collect();
                bins.push(Bin { region: region as usize, window, labels });
            }
        }
        bins
    }
}

/// Which bins each split takes, as rising numbers: training, validation, test.
///
/// # Errors
/// Where a split has fewer bins than it wants: its index, and how many there are.
pub fn split(
    bins: &[Bin],
    regions: &[Region],
    length: usize,
    wanted: [usize; 3],
) -> Result<[Vec<usize>; 3], (usize, usize)> {
    let there = |name: &str| regions.iter().any(|region| region.bare() == name);
    let published = TEST.iter().all(|name| there(name)) && there(VALIDATION.0);
    let pools = if published { by_chromosome(bins, regions, length) } else { by_order(bins, length as u64, wanted) };
    let mut chosen: [Vec<usize>; 3] = Default::default();
    for (at, (pool, wanted)) in pools.iter().zip(wanted).enumerate() {
        if pool.len() < wanted {
            return Err((at, pool.len()));
        }
        // evenly thinned where there are more
        chosen[at] = (0..wanted).map(|i| pool[(i as u128 * pool.len() as u128 / wanted as u128) as usize]).collect();
    }
    Ok(chosen)
}

fn by_chromosome(bins: &[Bin], regions: &[Region], length: usize) -> [Vec<usize>; 3] {
    let mut pools: [Vec<usize>; 3] = Default::default();
    for (at, bin) in bins.iter().enumerate() {
        let region = &regions[bin.region];
        let centre = region.start + bin.window + (length as u64 - BIN) / 2;
        let name = region.bare();
        if TEST.contains(&name) {
            pools[2].push(at);
        } else if name == VALIDATION.0 && VALIDATION.1.contains(&centre) {
            pools[1].push(at);
        } else if name.parse().is_ok_and(|number| AUTOSOMES.contains(&number)) {
            pools[0].push(at);
        }
    }
    pools
}

/// Three runs, as long in proportion as what is wanted; at each border the windows that reach over it are left out.
fn by_order(bins: &[Bin], length: u64, wanted: [usize; 3]) -> [Vec<usize>; 3] {
    let all: usize = wanted.iter().sum();
    let mut pools: [Vec<usize>; 3] = Default::default();
    let mut before = 0;
    let mut end = 0;
    for (at, wanted) in wanted.into_iter().enumerate() {
        before += wanted;
        let start = end;
        end = (bins.len() as u128 * before as u128 / all.max(1) as u128) as usize;
        let last = start.checked_sub(1).map(|last| &bins[last]);
        let clear = |bin: &Bin| last.is_none_or(|last| bin.region != last.region || bin.window >= last.window + length);
        pools[at] = (start..end).filter(|index| clear(&bins[*index])).collect();
    }
    pools
}

/// Bases as planes (4, length): A, G, C, T, whatever their case; any other letter is in none.
pub fn planes(bases: &[u8], out: &mut [u8]) {
    let length = bases.len();
    out.fill(0);
    for (at, base) in bases.iter().enumerate() {
        let plane = match base.to_ascii_uppercase() {
            b'A' => 0,
            b'G' => 1,
            b'C' => 2,
            b'T' | b'U' => 3,
            _ => continue,
        };
        out[plane * length + at] = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Bins, Region, planes, split};

    fn region(name: &str, start: u64, length: u64) -> Region {
        Region { chromosome: name.into(), start, length }
    }

    #[test]
    fn names_say_where_a_sequence_lies() {
        assert_eq!(Region::named("chr8 assembled", 5), Ok(region("chr8", 0, 5)));
        assert_eq!(Region::named("chr22:32000001-32210000", 210_000), Ok(region("chr22", 32_000_000, 210_000)));
        assert!(Region::named("chr22:1-10", 9).unwrap_err().contains("found 9"));
        assert_eq!(Region::named("HLA:x-y", 9).unwrap().chromosome, "HLA:x-y");
    }

    #[test]
    fn a_bin_is_positive_where_one_peak_covers_more_than_half() {
        let regions = [region("c", 1000, 3000)];
        let mut bins = Bins::new(&regions, 1000);
        // bins 7 to 17 have their window in 1000..4000
        bins.peak("c", 1400, 1501, 0); // 101 of bin 7
        bins.peak("c", 1600, 1700, 1); // 100 of bin 8: not more than half
        bins.peak("c", 1690, 1800, 1); // 110 of bin 8
        bins.peak("c", 1650, 2150, 2); // 150 of bin 8, bin 9, 150 of bin 10
        bins.peak("c", 0, u64::MAX, 3);
        bins.peak("d", 1400, 1600, 4);
        let found = bins.finish();
        assert_eq!(found.len(), 11);
        assert_eq!((found[0].window, &found[0].labels[..]), (0, &[0, 3][..]));
        assert_eq!((found[1].window, &found[1].labels[..]), (200, &[1, 2, 3][..]));
        assert_eq!((&found[2].labels[..], &found[3].labels[..]), (&[2, 3][..], &[2, 3][..]));
        assert_eq!((found[10].window, &found[10].labels[..]), (2000, &[3][..]));
    }

    #[test]
    fn published_chromosomes_are_split_as_published() {
        let names = ["chr1", "chr7", "chr8", "chr9", "chrX"];
        let regions: Vec<Region> = names.iter().map(|name| region(name, 0, 40_000_000)).collect();
        let mut bins = Bins::new(&regions, 1000);
        for name in names {
            for start in [1_000_000, 31_000_000, 36_000_000] {
                bins.peak(name, start, start + 200, 0);
            }
        }
        let bins = bins.finish();
        let chosen = split(&bins, &regions, 1000, [5, 1, 6]).unwrap();
        assert_eq!(chosen, [vec![0, 1, 2, 3, 5], vec![4], vec![6, 7, 8, 9, 10, 11]]);
        assert_eq!(split(&bins, &regions, 1000, [6, 1, 6]), Err((0, 5)));
        assert_eq!(split(&bins, &regions, 1000, [2, 1, 3]).unwrap(), [vec![0, 2], vec![4], vec![6, 8, 10]]);
    }

    #[test]
    fn a_part_of_a_genome_is_split_by_order_without_overlap() {
        let regions = [region("c", 0, 10_000)];
        let mut bins = Bins::new(&regions, 1000);
        bins.peak("c", 0, 10_000, 0);
        let bins = bins.finish();
        assert_eq!(bins.len(), 46);
        let [train, validation, test] = split(&bins, &regions, 1000, [17, 6, 6]).unwrap();
        let (a, b) = (bins[train[16]].window, bins[validation[0]].window);
        let (c, d) = (bins[validation[5]].window, bins[test[0]].window);
        assert!(a + 1000 <= b && c + 1000 <= d, "{a} {b} {c} {d}");
        assert!(split(&bins, &regions, 1000, [30, 10, 6]).is_err());
    }

    #[test]
    fn bases_become_planes_in_the_order_a_g_c_t() {
        let mut out = [7; 24];
        planes(b"AgcTNx", &mut out);
        assert_eq!(out, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
