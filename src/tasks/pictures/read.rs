//! CIFAR-100's raw files, in any of the published forms: labels in memory, pixels to a writer while they are read. Knows no
//! task and no data set.

use crate::data::archive::{ArchiveError, base_name, members};
use crate::data::cifar_binary::{PIXELS, Records};
use crate::data::pickle::Pickle;
use crate::data::pickle_object::{Arriving, Object};
use crate::data::spill::pour;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::RAW;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A list of label names longer than this is damage.
const LONGEST_NAMES: u64 = 1 << 20;

/// One part of the pictures: `train` or `test`.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub part: &'a str,
    pub count: usize,
    /// The settings to change where the files have another number.
    pub settings: &'a str,
}

/// Opens what takes the pixels of a part: planes of red, green and blue, picture by picture.
pub type Open<'o, W> = dyn FnMut(&Wanted, &mut dyn Context) -> Result<W, StageError> + 'o;

/// Reads slot `raw`: `train`, `test`, `meta` (Python version) or `train.bin`, `test.bin`, `fine_label_names.txt` (binary
/// version), as files or inside an archive. Pixels go to what `open` gives, those of `wanted.count` pictures.
pub fn read<W: Write>(
    wanted: &[Wanted],
    context: &mut dyn Context,
    open: &mut Open<W>,
) -> Result<Found<W>, StageError> {
    let mut found =
        Found { scratch: context.scratch()?, names: context.names(RAW), parts: BTreeMap::new(), class_names: None };
    for name in context.names(RAW) {
        if context.stop_asked() {
            return Err(StageError::Interrupted);
        }
        context.progress(Progress { unit: "file", done: 0, total: 0, note: &name });
        let mut raw = context.open(RAW, &name)?;
        let mut open = |part: &str| match wanted.iter().find(|wanted| wanted.part == part) {
            Some(wanted) => Ok((wanted.count, open(wanted, context)?)),
            None => Err(StageError::Code(format!("pictures of a part `{part}`"))),
        };
        if name.contains(".tar") || name.ends_with(".tgz") {
            members::<Trouble>(&name, &mut raw, &mut |member, reader| {
                found.file(&format!("{name}: {member}"), base_name(member), reader, &mut open)
            })?;
        } else {
            found.file(&name, base_name(&name), &mut raw, &mut open)?;
        }
        // The input's digest is verified at its end, which neither a pickle nor an archive need reach.
        io::copy(&mut raw, &mut io::sink())?;
    }
    Ok(found)
}

/// Pictures of one part: labels in memory, pixels written.
pub struct Pictures<W> {
    file: String,
    pub labels: Vec<u32>,
    pub pixels: W,
}

impl<W> Pictures<W> {
    fn check(&self, wanted: &Wanted, classes: usize) -> Result<(), StageError> {
        let Wanted { count, settings, .. } = wanted;
        if self.labels.len() != *count {
            return Err(StageError::Data(format!(
                "{}: expected {count} pictures, found {}; set {settings} to use this file",
                self.file,
                self.labels.len()
            )));
        }
        match self.labels.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
            None => Ok(()),
            Some((row, label)) => Err(StageError::Data(format!(
                "{}, picture {row}: expected a label below {classes}, found {label}; set data.classes to use this file",
                self.file
            ))),
        }
    }
}

/// What the files held so far.
pub struct Found<W> {
    scratch: PathBuf,
    /// Of all raw files.
    names: Vec<String>,
    /// `train` and `test`.
    parts: BTreeMap<String, Pictures<W>>,
    pub class_names: Option<Vec<String>>,
}

/// `StageError` with the conversion that `members` asks for.
struct Trouble(StageError);

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<Trouble> for StageError {
    fn from(trouble: Trouble) -> Self {
        trouble.0
    }
}

impl<W: Write> Found<W> {
    /// The pictures of a part, as many as wanted, labelled below `classes`.
    pub fn take(&mut self, task: &str, wanted: &Wanted, classes: usize) -> Result<Pictures<W>, StageError> {
        let part = wanted.part;
        let pictures = self.parts.remove(part).ok_or_else(|| {
            StageError::Data(format!(
                "{task}: expected pictures named `{part}` or `{part}.bin`, found none in {}; name the files in data.files",
                self.names.join(", ")
            ))
        })?;
        pictures.check(wanted, classes)?;
        Ok(pictures)
    }

    /// Takes one file in; names that mean nothing are passed over. `shown` is the name for messages.
    fn file(
        &mut self,
        shown: &str,
        base: &str,
        reader: &mut dyn Read,
        open: &mut dyn FnMut(&str) -> Result<(usize, W), StageError>,
    ) -> Result<(), Trouble> {
        match base {
            "train" | "test" | "train.bin" | "test.bin" => {
                let part = base.trim_end_matches(".bin").to_string();
                if let Some(other) = self.parts.get(&part) {
                    return Err(Trouble(StageError::Data(format!(
                        "{shown}: expected `{part}` once, found it in {} too; name the files to use in data.files",
                        other.file
                    ))));
                }
                let (count, pixels) = open(&part).map_err(Trouble)?;
                let pictures = if part == base {
                    python_pictures(shown, reader, &self.scratch, count, pixels)
                } else {
                    binary_pictures(shown, reader, count, pixels)
                };
                self.parts.insert(part, pictures.map_err(Trouble)?);
            }
            "meta" => self.class_names = Some(python_names(shown, reader, &self.scratch).map_err(Trouble)?),
            "fine_label_names.txt" => self.class_names = Some(text_names(shown, reader).map_err(Trouble)?),
            _ => {}
        }
        Ok(())
    }
}

fn python_pictures<W: Write>(
    shown: &str,
    reader: &mut dyn Read,
    scratch: &Path,
    count: usize,
    mut pixels: W,
) -> Result<Pictures<W>, StageError> {
    // what happened while the pixels were taken
    let mut taken: Option<io::Result<()>> = None;
    let mut take = |array: &Arriving, reader: &mut dyn Read| {
        let bytes = (array.dtype.kind, array.dtype.width) == ('u', 1);
        if !bytes || array.shape != [count, PIXELS] || array.fortran || taken.is_some() {
            return Ok(false);
        }
        let mut piece = vec![0u8; 1 << 16];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    if let Err(error) = pixels.write_all(&piece[..count]) {
                        taken = Some(Err(error));
                        return Err(String::new());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("the pickle is cut or unreadable: {error}")),
            }
        }
        taken = Some(Ok(()));
        Ok(true)
    };
    let pickle = Pickle::read_taking(shown, reader, scratch, &mut take);
    if let Some(Err(error)) = taken {
        return Err(error.into());
    }
    let pickle = pickle.map_err(|e| StageError::Data(e.to_string()))?;
    let wrong =
        |expected: &str| StageError::Data(format!("{shown}: expected {expected} (the Python version of CIFAR-100)"));
    let labels = pickle.item(pickle.root(), "fine_labels").and_then(|id| pickle.integers(id));
    let labels = labels.ok_or_else(|| wrong("a dict with a list of integers `fine_labels`"))?;
    let labels: Option<Vec<u32>> = labels.into_iter().map(|label| u32::try_from(label).ok()).collect();
    let labels = labels.ok_or_else(|| wrong("labels that are not negative"))?;
    let id = pickle.item(pickle.root(), "data").ok_or_else(|| wrong("a dict with an array `data`"))?;
    let Object::Array { dtype, shape, fortran, data } = pickle.get(id) else {
        return Err(wrong("a numpy array `data`"));
    };
    // numpy says "Fortran" of arrays that are both, such as those with one row
    let rows = shape.first().copied().unwrap_or(0);
    if dtype.kind != 'u' || dtype.width != 1 || *shape != [rows, PIXELS] || (*fortran && rows != 1) {
        return Err(StageError::Data(format!(
            "{shown}: expected `data` of unsigned bytes, (rows, {PIXELS}), row by row, found kind `{}` of {} bytes, shape \
             {shape:?}{}",
            dtype.kind,
            dtype.width,
            if *fortran { ", column by column" } else { "" }
        )));
    }
    if rows != labels.len() {
        return Err(StageError::Data(format!(
            "{shown}: expected as many labels as pictures, found {} labels and {rows} pictures",
            labels.len()
        )));
    }
    // a wrong number of pictures is told by whoever wants them
    if pickle.taken(id).is_none() && rows == count {
        if taken.is_some() {
            return Err(wrong("`data` as the only array of pictures"));
        }
        let Object::Bytes(bytes) = pickle.get(*data) else { return Err(wrong("pixels as bytes")) };
        pour(&mut bytes.open()?, &mut pixels, u64::MAX)?;
    }
    Ok(Pictures { file: shown.to_string(), labels, pixels })
}

fn binary_pictures<W: Write>(
    shown: &str,
    reader: &mut dyn Read,
    count: usize,
    mut pixels: W,
) -> Result<Pictures<W>, StageError> {
    let mut records = Records::new(shown, io::BufReader::with_capacity(1 << 16, reader));
    let mut labels = Vec::new();
    while let Some(record) = records.next_record().map_err(|e| StageError::Data(e.to_string()))? {
        labels.push(u32::from(record.fine));
        if labels.len() <= count {
            pixels.write_all(&record.pixels)?;
        }
    }
    Ok(Pictures { file: shown.to_string(), labels, pixels })
}

fn python_names(shown: &str, reader: &mut dyn Read, scratch: &Path) -> Result<Vec<String>, StageError> {
    let mut reader = reader.take(LONGEST_NAMES);
    let pickle = Pickle::read(shown, &mut reader, scratch).map_err(|e| StageError::Data(e.to_string()))?;
    let names = pickle.item(pickle.root(), "fine_label_names").map(|id| pickle.get(id));
    let names = match names {
        Some(Object::List(names)) => names.iter().map(|id| pickle.text(*id).map(str::to_string)).collect(),
        _ => None,
    };
    names.ok_or_else(|| StageError::Data(format!("{shown}: expected a dict with a list of texts `fine_label_names`")))
}

fn text_names(shown: &str, reader: &mut dyn Read) -> Result<Vec<String>, StageError> {
    let mut text = String::new();
    let read = reader.take(LONGEST_NAMES).read_to_string(&mut text);
    read.map_err(|e| StageError::Data(format!("{shown}: expected a class name per line: {e}")))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect())
}
