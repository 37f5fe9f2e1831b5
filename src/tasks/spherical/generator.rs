//! Raw data of Spherical: projections of the drawn pictures that stand in for CIFAR-100, in the official file's layout
//! (task specification §13.4). Knows no preparation.

use crate::data::counts::Counts;
use crate::data::pickle_writer::{Item, write_pickle};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::pictures::draw::{draw, labels};
use crate::tasks::spherical::projection::{POINTS, Projection, SIDE, chunk, rotation_of};
use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::borrow::Cow;

/// See `contract/generator.rs`.
pub struct SphericalGenerator;

impl Generator for SphericalGenerator {
    /// Writes `s2_cifar100.gz`: a pickle `{"train": {"images", "labels"}, "test": {…}}`, training before validation pictures.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        if train == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "spherical: expected pictures to train and test on, found data.train {train}, data.test {test}"
            )));
        }
        let total = train + validation + test;
        let mut done = 0;
        let mut split = |name: &str, count: usize, part: &mut Part| -> Result<(), StageError> {
            let classes = labels("spherical", name, count, seed);
            part.labels.extend(classes.iter().flat_map(|class| i64::from(*class).to_le_bytes()));
            let size = chunk(total);
            for start in (0..count).step_by(size) {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                let projection = Projection::new(&rotation_of(name, (start / size) as u64, seed));
                let picture = |index: usize| {
                    let planes = draw("spherical", name, index as u64, classes[index], seed);
                    planes.chunks_exact(32 * 32).flat_map(|plane| projection.bytes(plane)).collect::<Vec<u8>>()
                };
                let pictures: Vec<Vec<u8>> = (start..count.min(start + size)).into_par_iter().map(picture).collect();
                part.images.extend(pictures.iter().flatten());
                done += pictures.len();
                context.progress(Progress { unit: "picture", done: done as u64, total: total as u64, note: name });
            }
            Ok(())
        };
        let (mut first, mut second) = (Part::default(), Part::default());
        split("train", train, &mut first)?;
        split("val", validation, &mut first)?;
        split("test", test, &mut second)?;
        let root = Item::Dict(vec![(Item::Text("train"), first.item()), (Item::Text("test"), second.item())]);
        let mut output = GzEncoder::new(context.create("s2_cifar100.gz")?, Compression::fast());
        write_pickle(&mut output, &root)?;
        output.finish()?.close()
    }
}

#[derive(Default)]
struct Part {
    images: Vec<u8>,
    labels: Vec<u8>,
}

impl Part {
    fn item(&self) -> Item<'_> {
        let count = self.labels.len() / 8;
        debug_assert_eq!(self.images.len(), count * 3 * POINTS);
        let images = Item::Array { descr: "|u1", shape: vec![count, 3, SIDE, SIDE], data: Cow::Borrowed(&self.images) };
        let labels = Item::Array { descr: "<i8", shape: vec![count], data: Cow::Borrowed(&self.labels) };
        Item::Dict(vec![(Item::Text("images"), images), (Item::Text("labels"), labels)])
    }
}
