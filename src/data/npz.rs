//! The arrays of an npz file (a zip archive of npy files), in file order and one pass. Knows no array by name.

use crate::data::npy::{Npy, NpyError};
use crate::data::zip::{ZipError, members};
use std::io::Read;

#[derive(Debug, thiserror::Error)]
pub enum NpzError {
    #[error(transparent)]
    Archive(#[from] ZipError),
    #[error(transparent)]
    Array(#[from] NpyError),
}

/// Calls `visit` for every member `NAME.npy` with its name and the open array; others are passed over. What `visit` leaves
/// unread is skipped; `raw` may end up short of its end.
pub fn arrays<E: From<NpzError>>(
    file: &str,
    raw: &mut dyn Read,
    visit: &mut dyn FnMut(&str, Npy<&mut dyn Read>) -> Result<(), E>,
) -> Result<(), E> {
    let stopped = members::<Stop<E>>(file, raw, &mut |path, reader| {
        let Some(name) = path.strip_suffix(".npy") else { return Ok(()) };
        let npy = Npy::open(&format!("{file}: {path}"), reader).map_err(|e| Stop::File(e.into()))?;
        visit(name, npy).map_err(Stop::Visitor)
    });
    stopped.map_err(|stop| match stop {
        Stop::File(e) => e.into(),
        Stop::Visitor(e) => e,
    })
}

/// Who stopped the pass.
enum Stop<E> {
    File(NpzError),
    Visitor(E),
}

impl<E> From<ZipError> for Stop<E> {
    fn from(error: ZipError) -> Self {
        Stop::File(NpzError::Archive(error))
    }
}
