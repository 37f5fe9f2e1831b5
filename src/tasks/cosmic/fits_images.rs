//! FITS images cut into stamps, as deepCR's authors made theirs from Hubble images: an image, what of it cosmic rays hit, and
//! what cannot be judged. Knows no archive and no split.
//!
//! The rule: each `SCI` extension, or image without a name, is an exposure. Of the extensions after it, up to the next exposure,
//! `MASK` (0 or not) marks rays, else bits 4096 and 8192 of `DQ` do; `IGNORE` marks what is ignored, else the other bits of `DQ`
//! and the 7×7 surroundings of saturated pixels do. Pixels that are no number become 0 and are ignored. Rates become electrons.

use crate::data::fits::{Fits, FitsError, FitsHeader, FitsImage};
use crate::stages::context::StageError;
use crate::tasks::cosmic::fields::Place;
use crate::tasks::cosmic::saturation::around_saturated;
use crate::tasks::cosmic::stamps::{Planes, Stamps};
use std::io::{BufReader, Read};

/// Flags of a cosmic ray: found when exposures are combined by AstroDrizzle, and by the calibration pipeline (ACS Data
/// Handbook, table "flags in the DQ array").
const RAYS: i64 = 4096 | 8192;
/// Values read at once.
const PIECE: usize = 1 << 14;

struct Exposure {
    shown: String,
    height: usize,
    width: usize,
    image: Vec<f32>,
    /// Level in electrons, where the header has one.
    sky: Option<f64>,
    mask: Option<Vec<u8>>,
    ignore: Option<Vec<u8>>,
    flags: Option<Vec<i64>>,
    /// Names of extensions that were of no use.
    others: Vec<String>,
}

fn data(message: String) -> StageError {
    StageError::Data(message)
}

fn damaged(e: FitsError) -> StageError {
    data(e.to_string())
}

/// Cuts all exposures of a file into stamps of `side`×`side`.
pub fn cut(file: &str, side: usize, reader: &mut dyn Read, stamps: &mut Stamps) -> Result<(), StageError> {
    let mut fits = Fits::open(file, BufReader::with_capacity(1 << 16, reader));
    let mut exposure: Option<Exposure> = None;
    let mut count = 0;
    while let Some(mut image) = fits.next_image().map_err(damaged)? {
        let name = image.header.name.to_ascii_uppercase();
        if name == "SCI" || name.is_empty() {
            if let Some(done) = exposure.take() {
                done.cut(file, count, stamps)?;
            }
            count += 1;
            exposure = Some(Exposure::start(format!("{file}, exposure {count}"), side, &mut image)?);
            continue;
        }
        let Some(exposure) = &mut exposure else { continue };
        let marks = |values: Vec<f64>| values.iter().map(|value| u8::from(*value != 0.0)).collect();
        match name.as_str() {
            "MASK" => exposure.mask = Some(marks(exposure.plane(&mut image)?)),
            "IGNORE" => exposure.ignore = Some(marks(exposure.plane(&mut image)?)),
            "DQ" => exposure.flags = Some(exposure.plane(&mut image)?.iter().map(|value| *value as i64).collect()),
            _ => exposure.others.push(name),
        }
    }
    let last = exposure.ok_or_else(|| data(format!("{file}: expected an image `SCI`, found none")))?;
    last.cut(file, count, stamps)
}

fn values<R: Read>(image: &mut FitsImage<'_, R>) -> Result<Vec<f64>, StageError> {
    let mut left: usize = image.header.shape.iter().product();
    let mut all = Vec::new();
    // grows no faster than the file gives
    while left > 0 {
        let (start, count) = (all.len(), left.min(PIECE));
        all.resize(start + count, 0.0);
        image.read(&mut all[start..]).map_err(damaged)?;
        left -= count;
    }
    Ok(all)
}

fn number(header: &FitsHeader, keyword: &str) -> Option<f64> {
    header.get(keyword)?.parse::<f64>().ok().filter(|value| value.is_finite())
}

impl Exposure {
    fn start<R: Read>(shown: String, side: usize, image: &mut FitsImage<'_, R>) -> Result<Exposure, StageError> {
        let (height, width) = match image.header.shape[..] {
            [height, width] if height >= side && width >= side => (height, width),
            _ => {
                return Err(data(format!(
                    "{shown}: expected an image of at least {side}×{side} pixels, found {:?}; set data.grid to use smaller \
                     stamps",
                    image.header.shape
                )));
            }
        };
        let unit = image.header.get("BUNIT").unwrap_or("").to_ascii_uppercase();
        let factor = if unit.ends_with("/S") {
            number(&image.header, "EXPTIME").ok_or_else(|| {
                data(format!("{shown}: expected EXPTIME beside the unit {unit} in the header, found no number"))
            })?
        } else {
            1.0
        };
        let sky = number(&image.header, "MDRIZSKY").map(|sky| sky * factor);
        let image = values(image)?.into_iter().map(|value| (value * factor) as f32).collect();
        let (mask, ignore, flags, others) = (None, None, None, Vec::new());
        Ok(Exposure { shown, height, width, image, sky, mask, ignore, flags, others })
    }

    /// The values of an extension that belongs to this exposure.
    fn plane<R: Read>(&self, image: &mut FitsImage<'_, R>) -> Result<Vec<f64>, StageError> {
        if image.header.shape != [self.height, self.width] {
            let (name, expected, found) = (&image.header.name, [self.height, self.width], &image.header.shape);
            return Err(data(format!(
                "{}, {name}: expected shape {expected:?} as the image, found {found:?}",
                self.shown
            )));
        }
        values(image)
    }

    /// Ray mask and ignore mask. Changes pixels that are no number.
    fn masks(&mut self) -> Result<(Vec<u8>, Vec<u8>), StageError> {
        let mask = match (&self.mask, &self.flags) {
            (Some(mask), _) => mask.clone(),
            (None, Some(flags)) => flags.iter().map(|bits| u8::from(bits & RAYS != 0)).collect(),
            (None, None) => {
                let others = self.others.join(", ");
                let found = if others.is_empty() { "none" } else { &others };
                return Err(data(format!(
                    "{}: expected an extension `MASK` or `DQ` that marks cosmic rays, found {found}; such an image cannot be \
                     trained on",
                    self.shown
                )));
            }
        };
        let mut ignore = match (&self.ignore, &self.flags) {
            (Some(ignore), _) => ignore.clone(),
            (None, Some(flags)) => flags.iter().map(|bits| u8::from(bits & !RAYS != 0)).collect(),
            (None, None) => vec![0; self.image.len()],
        };
        if self.ignore.is_none() {
            around_saturated(&self.image, self.height, self.width, &mut |at| ignore[at] = 1);
        }
        for (value, ignore) in self.image.iter_mut().zip(&mut ignore) {
            if !value.is_finite() {
                *value = 0.0;
                *ignore = 1;
            }
        }
        Ok((mask, ignore))
    }

    fn cut(mut self, file: &str, number: u64, stamps: &mut Stamps) -> Result<(), StageError> {
        let (mask, ignore) = self.masks()?;
        let sky = self.sky.unwrap_or_else(|| median(&self.image, &mask, &ignore)) as f32;
        let (folder, name) = (file.to_string(), String::new());
        let place = Place { tree: None, folder, exposure: number, stamp: 0, name, tile: 0 };
        let planes = Planes { image: &self.image, mask: &mask, ignore: &ignore };
        stamps.push(&place, &self.shown, self.width, &planes, Some(sky))
    }
}

/// Median of the pixels that are neither hit nor ignored, of all where there are none.
fn median(image: &[f32], mask: &[u8], ignore: &[u8]) -> f64 {
    let clear = image.iter().zip(mask.iter().zip(ignore)).filter(|(_, (hit, ignored))| **hit == 0 && **ignored == 0);
    let mut values: Vec<f32> = clear.map(|(value, _)| *value).collect();
    if values.is_empty() {
        values.extend_from_slice(image);
    }
    let middle = values.len() / 2;
    f64::from(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
