//! Gathers stamps of one part in any order and writes them in canonical order: crops of image, ray mask and ignore mask, and
//! the sky of their exposures. Images wait on a shelf. Knows no archive and no image format but npy.

use crate::data::npy::{Npy, NpyError};
use crate::data::part::{PartWriter, Promise};
use crate::data::shelf::Shelf;
use crate::stages::context::{Context, StageError};
use crate::tasks::cosmic::fields::Place;
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A sky file with more levels than this is damage: a visit has a handful of exposures.
const MOST_EXPOSURES: usize = 1 << 20;

struct Kept {
    place: Place,
    /// For messages.
    shown: String,
    /// Known beforehand for images that carry it.
    sky: Option<f32>,
    /// Where on the shelf: the image, then the masks.
    record: u64,
}

/// The stamps of one part so far.
pub struct Stamps {
    /// Side of a stamp; the middle half of rows and columns is kept.
    side: usize,
    scratch: PathBuf,
    shelf: Shelf,
    kept: Vec<Kept>,
    /// Levels of a folder's exposures.
    skies: BTreeMap<String, Vec<f64>>,
    room: Room,
}

/// Room for one image, used again: fresh memory for each took as long as reading it.
#[derive(Default)]
struct Room {
    image: Vec<f32>,
    masks: [Vec<u8>; 2],
    record: Vec<u8>,
}

/// Three planes of an image, row by row.
pub struct Planes<'a> {
    pub image: &'a [f32],
    pub mask: &'a [u8],
    pub ignore: &'a [u8],
}

fn data(message: String) -> StageError {
    StageError::Data(message)
}

impl Stamps {
    /// `side` is a multiple of 4.
    pub fn new(side: usize, scratch: &Path) -> Self {
        let (kept, skies, room) = (Vec::new(), BTreeMap::new(), Room::default());
        Stamps { side, scratch: scratch.to_path_buf(), shelf: Shelf::new(scratch), kept, skies, room }
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Pixels of a crop.
    fn points(&self) -> usize {
        (self.side / 2).pow(2)
    }

    /// Keeps the middle of each whole stamp of an image, row by row from the first pixel on: of 256×256 pixels rows and columns
    /// 64 to 191 (task specification §9.2, step 2). The image is at least one stamp wide and high.
    pub fn push(
        &mut self,
        place: &Place,
        shown: &str,
        width: usize,
        planes: &Planes<'_>,
        sky: Option<f32>,
    ) -> Result<(), StageError> {
        let (side, columns) = (self.side, width / self.side);
        let tiles = planes.image.len() / width / side * columns;
        for tile in 0..tiles {
            let (top, left) = (tile / columns * side + side / 4, tile % columns * side + side / 4);
            let rows = || (top..top + side / 2).map(|y| y * width + left..y * width + left + side / 2);
            let record = &mut self.room.record;
            record.clear();
            for row in rows() {
                let image = &planes.image[row.clone()];
                // without a way out the loop is one of vectors; so below
                let broken = image.iter().fold(false, |broken, value| broken | !value.is_finite());
                if broken && let Some(bad) = image.iter().position(|value| !value.is_finite()) {
                    let (y, x, value) = (row.start / width, row.start % width + bad, image[bad]);
                    return Err(data(format!(
                        "{shown}: image, row {y}, column {x}: expected a finite number, found {value}"
                    )));
                }
                let start = record.len();
                record.resize(start + 4 * image.len(), 0);
                for (out, value) in record[start..].as_chunks_mut::<4>().0.iter_mut().zip(image) {
                    *out = value.to_le_bytes();
                }
            }
            for plane in [planes.mask, planes.ignore] {
                rows().for_each(|row| record.extend_from_slice(&plane[row]));
            }
            let record = self.shelf.put(record)?;
            let place = Place { tile: tile as u64, ..place.clone() };
            self.kept.push(Kept { place, shown: shown.to_string(), sky, record });
        }
        Ok(())
    }

    /// A stamp (3, side, side), or (2, side, side) where nothing is ignored. A larger image is cut into stamps.
    pub fn stamp(&mut self, place: Place, shown: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        let damaged = |e: NpyError| data(e.to_string());
        let mut npy = Npy::open(shown, reader).map_err(damaged)?;
        let (side, shape) = (self.side, npy.header().shape.clone());
        let width = match shape[..] {
            [2 | 3, height, width] if height >= side && width >= side => Some(width),
            _ => None,
        };
        let Some(width) = width else {
            return Err(data(format!(
                "{shown}: expected an array of shape [3, {side}, {side}] (image, ray mask, ignore mask), found {shape:?}; set \
                 data.grid to use stamps of another side"
            )));
        };
        let Room { mut image, mut masks, record } = std::mem::take(&mut self.room);
        self.room.record = record;
        image.clear();
        masks.iter_mut().for_each(Vec::clear);
        npy.rows_f32::<Trouble>(&self.scratch, &mut |plane, values| {
            if plane == 0 {
                image.extend_from_slice(values);
                return Ok(());
            }
            let wrong = |value: &f32| (*value != 0.0) & (*value != 1.0);
            let broken = values.iter().fold(false, |broken, value| broken | wrong(value));
            if broken && let Some(at) = values.iter().position(wrong) {
                let (name, y, x, value) = (["ray mask", "ignore mask"][plane - 1], at / width, at % width, values[at]);
                return Err(Trouble(data(format!(
                    "{shown}: {name}, row {y}, column {x}: expected 0 or 1, found {value}"
                ))));
            }
            masks[plane - 1].extend(values.iter().map(|value| u8::from(*value != 0.0)));
            Ok(())
        })
        .map_err(|trouble| trouble.0)?;
        masks[1].resize(image.len(), 0);
        let pushed =
            self.push(&place, shown, width, &Planes { image: &image, mask: &masks[0], ignore: &masks[1] }, None);
        self.room.image = image;
        self.room.masks = masks;
        pushed
    }

    /// The levels of a folder's exposures: `sky.npy`.
    pub fn sky(&mut self, folder: &str, shown: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        let damaged = |e: NpyError| data(e.to_string());
        let mut npy = Npy::open(shown, reader).map_err(damaged)?;
        let shape = npy.header().shape.clone();
        let count = npy.remaining();
        if shape.len() > 1 || count == 0 || count > MOST_EXPOSURES {
            return Err(data(format!(
                "{shown}: expected one sky level per exposure, found an array of shape {shape:?}"
            )));
        }
        let mut levels = vec![0f64; count];
        npy.next_f64(&mut levels).map_err(damaged)?;
        if let Some(at) = levels.iter().position(|level| !level.is_finite()) {
            return Err(data(format!("{shown}, element {at}: expected a finite sky level, found {}", levels[at])));
        }
        self.skies.insert(folder.to_string(), levels);
        Ok(())
    }

    /// Level of a stamp's exposure; 0 without a sky file, as upstream has it.
    fn level(&self, kept: &Kept) -> Result<f32, StageError> {
        if let Some(sky) = kept.sky {
            return Ok(sky);
        }
        let Some(levels) = self.skies.get(&kept.place.folder) else { return Ok(0.0) };
        let only = levels.first().filter(|_| levels.len() == 1);
        let found = match kept.place.exposure.checked_sub(1) {
            Some(at) => usize::try_from(at).ok().and_then(|at| levels.get(at)),
            None => only,
        };
        found.map(|level| *level as f32).ok_or_else(|| {
            data(format!(
                "{}: expected a sky level for exposure {}, found {} levels in {}/sky.npy",
                kept.shown,
                kept.place.exposure,
                levels.len(),
                kept.place.folder
            ))
        })
    }

    /// Writes `<part>.safetensors`: `sky` (N), `x` (N,1,side/2,side/2) and `y` (N,2,side/2,side/2).
    pub fn write(mut self, part: &str, context: &mut dyn Context) -> Result<(), StageError> {
        self.kept.sort_by(|a, b| a.place.cmp(&b.place));
        for pair in self.kept.windows(2) {
            if pair[0].place == pair[1].place {
                return Err(data(format!(
                    "{}: expected each stamp once, found it in {} too; name the files to use in data.files",
                    pair[1].shown, pair[0].shown
                )));
            }
        }
        let (points, count, half) = (self.points(), self.kept.len(), self.side / 2);
        let promises = [
            Promise { name: "sky", dtype: Dtype::F32, shape: &[count] },
            Promise { name: "x", dtype: Dtype::F32, shape: &[count, 1, half, half] },
            Promise { name: "y", dtype: Dtype::U8, shape: &[count, 2, half, half] },
        ];
        let mut writer = PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?;
        for kept in &self.kept {
            writer.write_all(&self.level(kept)?.to_le_bytes())?;
        }
        let (image, masks) = (4 * points, 2 * points);
        let mut shelved = std::mem::replace(&mut self.shelf, Shelf::new(&self.scratch)).finish()?;
        for (offset, length) in [(0, image), (image, masks)] {
            for kept in &self.kept {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                shelved.take(kept.record + offset as u64, length, &mut writer)?;
            }
        }
        writer.finish()?.close()
    }
}

/// `StageError` with the conversion that `rows_f32` asks for.
struct Trouble(StageError);

impl From<NpyError> for Trouble {
    fn from(error: NpyError) -> Self {
        Trouble(data(error.to_string()))
    }
}
