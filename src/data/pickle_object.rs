//! The objects that a pickle may hold: plain values and numpy arrays, referring to each other by id. Knows no file format.

use crate::data::dtype::Dtype;
use crate::data::spill::Spill;
use std::io::Read;

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
    /// Elements of an array that were taken while they arrived: which in the order of taking, and how many bytes.
    Taken {
        number: usize,
        len: u64,
    },
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
            Object::Taken { .. } => "the elements of an array, taken before",
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

/// An array whose elements arrive: what the pickle says of it before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// A number or a text.
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// True where the first axis varies fastest.
    pub fortran: bool,
}

/// Offered the elements of each array as they arrive, as little-endian bytes or what the type says: true where it read them,
/// all of them. What it leaves is kept in the pickle.
pub type Taker<'t> = dyn FnMut(&Arriving, &mut dyn Read) -> Result<bool, String> + 't;

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
