//! The objects that a pickle may hold: plain values and numpy arrays, referring to each other by id. Knows no file format.

use crate::data::spill::Spill;

/// Number of an object in its pickle.
pub type Id = usize;

/// Type of array elements, by numpy's kind letter and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// `b` bool, `i` signed, `u` unsigned, `f` float, `O` object, `S`/`U`/`V` others.
    pub kind: char,
    /// Bytes per element.
    pub width: usize,
    pub big_endian: bool,
}

/// One object of the pickle.
#[derive(Debug)]
pub enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Bytes(Spill),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values, in file order.
    Dict(Vec<(Id, Id)>),
    Dtype(Dtype),
    /// `data` is a `Bytes` object, or a `List` where the elements are objects.
    Array {
        dtype: Dtype,
        shape: Vec<usize>,
        fortran: bool,
        data: Id,
    },
    /// One number with its type.
    Scalar {
        dtype: Dtype,
        data: Id,
    },
    /// A callable that was recognised; never called.
    Callable(Callable),
    /// An array whose state has not come.
    EmptyArray,
}

/// The only names a pickle may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callable {
    Reconstruct,
    Scalar,
    NdArray,
    Dtype,
    Encode,
}
