//! The objects that a pickle may hold: plain values and numpy arrays, referring to each other by id. Knows no file format.

use crate::data::dtype::Dtype;
use crate::data::spill::Spill;

/// Number of an object in its pickle.
pub type Id = usize;

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
    /// `data` is a `Bytes` object, or a `List` in C order where the elements are objects.
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

impl Object {
    /// What it is, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Object::None => "None",
            Object::Bool(_) => "a truth value",
            Object::Int(_) => "an integer",
            Object::Float(_) => "a float",
            Object::Bytes(_) => "a byte string",
            Object::Text(_) => "a text",
            Object::Tuple(_) => "a tuple",
            Object::List(_) => "a list",
            Object::Dict(_) => "a dict",
            Object::Dtype(_) => "an array type",
            Object::Array { .. } => "a numpy array",
            Object::Scalar { .. } => "a numpy number",
            Object::Callable(_) => "a callable",
            Object::EmptyArray => "an array without contents",
        }
    }
}

/// The only names a pickle may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callable {
    Reconstruct,
    Scalar,
    NdArray,
    FromBuffer,
    Dtype,
    Encode,
    Bytes,
}
