//! What the few callables that numpy's pickles name would give, had they been called: arrays, their types, single numbers and
//! byte strings. Every other name is an error (task specification §2.2). Knows no opcode.

use crate::data::dtype::Dtype;
use crate::data::pickle_object::{Arriving, Callable, Id, Object};
use crate::data::spill::{Spill, SpillWriter};
use std::io::Write;
use std::path::Path;

/// Arrays have at most this many axes in numpy 2.x.
const MOST_AXES: usize = 64;

/// Longer names of types, orders and encodings are damage.
const LONGEST_NAME: usize = 256;

type Step<T> = Result<T, String>;

/// The callable of a global name.
pub fn callable(module: &str, name: &str) -> Step<Callable> {
    Ok(match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Callable::Reconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Callable::Scalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Callable::FromBuffer,
        ("numpy", "ndarray") => Callable::NdArray,
        ("numpy", "dtype") => Callable::Dtype,
        ("_codecs", "encode") => Callable::Encode,
        ("__builtin__" | "builtins", "bytes") => Callable::Bytes,
        _ => {
            return Err(format!(
                "`{module}.{name}` is not allowed: only numpy arrays and plain values are read, nothing is executed"
            ));
        }
    })
}

/// The object that `callable(*arguments)` stands for.
pub fn call(objects: &[Object], callable: Callable, arguments: Id, scratch: &Path) -> Step<Object> {
    let Object::Tuple(arguments) = &objects[arguments] else {
        return Err("a call without an argument tuple".into());
    };
    Ok(match (callable, arguments.as_slice()) {
        (Callable::Reconstruct, [class, _, _]) if matches!(objects[*class], Object::Callable(Callable::NdArray)) => {
            Object::EmptyArray
        }
        // How numpy writes at protocol 5: the order is a letter.
        (Callable::FromBuffer, [data, dtype, shape, order]) => {
            let fortran = match short_text(objects, *order)?.as_str() {
                "C" | "A" => false,
                "F" => true,
                other => return Err(format!("an array in order `{other}`")),
            };
            array(objects, *shape, *dtype, fortran, *data)?
        }
        (Callable::Dtype, [code, ..]) => Object::Dtype(dtype(&short_text(objects, *code)?)?),
        (Callable::Scalar, [dtype, data]) => match (&objects[*dtype], &objects[*data]) {
            (Object::Dtype(dtype), Object::Bytes(bytes)) if bytes.len() == dtype.width as u64 => {
                Object::Scalar { dtype: *dtype, data: *data }
            }
            _ => return Err("a numpy number without its type or all of its bytes".into()),
        },
        // How Python 3 writes bytes at protocol 2 and below: text whose characters are the bytes.
        (Callable::Encode, [text, encoding])
            if matches!(short_text(objects, *encoding)?.as_str(), "latin1" | "latin-1") =>
        {
            let Object::Text(text) = &objects[*text] else {
                return Err("bytes written as an encode call without text".into());
            };
            let mut bytes = SpillWriter::new(scratch);
            for char in text.chars() {
                let byte = u8::try_from(u32::from(char)).map_err(|_| "a latin-1 text with other characters")?;
                bytes.write_all(&[byte]).map_err(|e| e.to_string())?;
            }
            Object::Bytes(bytes.finish().map_err(|e| e.to_string())?)
        }
        (Callable::Bytes, []) => Object::Bytes(Spill::Memory(vec![])),
        _ => return Err(format!("a call of {callable:?} with other arguments than numpy writes")),
    })
}

/// The object `target` after its state was set.
pub fn build(objects: &[Object], target: Id, state: Id) -> Step<Object> {
    let Object::Tuple(state) = &objects[state] else {
        return Err("a state that is no tuple".into());
    };
    match (&objects[target], state.as_slice()) {
        (Object::EmptyArray, [_, shape, dtype, fortran, data]) => {
            let fortran = matches!(objects[*fortran], Object::Bool(true) | Object::Int(1));
            array(objects, *shape, *dtype, fortran, *data)
        }
        (Object::Dtype(dtype), [_, order, ..]) => {
            let big_endian = match short_text(objects, *order)?.as_str() {
                ">" => true,
                "<" | "|" | "=" => false,
                other => return Err(format!("byte order `{other}`")),
            };
            Ok(Object::Dtype(Dtype { big_endian, ..*dtype }))
        }
        _ => Err("a state for what has none".into()),
    }
}

fn array(objects: &[Object], shape: Id, dtype: Id, fortran: bool, data: Id) -> Step<Object> {
    let Object::Dtype(dtype) = objects[dtype] else { return Err("an array without a type".into()) };
    let sizes = sizes(objects, shape)?;
    let elements = sizes.iter().try_fold(1u64, |n, size| n.checked_mul(*size as u64));
    let (found, expected) = match &objects[data] {
        Object::Bytes(bytes) if dtype.kind != 'O' => {
            (bytes.len(), elements.and_then(|n| n.checked_mul(dtype.width as u64)))
        }
        Object::Taken { len, .. } if dtype.kind != 'O' => {
            (*len, elements.and_then(|n| n.checked_mul(dtype.width as u64)))
        }
        Object::List(items) if dtype.kind == 'O' => (items.len() as u64, elements),
        _ => return Err("an array without data".into()),
    };
    if expected != Some(found) {
        return Err(format!("an array of shape {sizes:?} and {}-byte elements with {found} bytes", dtype.width));
    }
    Ok(Object::Array { dtype, shape: sizes, fortran, data })
}

/// The sizes of an array's axes.
fn sizes(objects: &[Object], shape: Id) -> Step<Vec<usize>> {
    let Object::Tuple(axes) = &objects[shape] else { return Err("an array without a shape".into()) };
    if axes.len() > MOST_AXES {
        return Err(format!("an array of {} axes", axes.len()));
    }
    let mut sizes = Vec::new();
    for axis in axes {
        match objects[*axis] {
            Object::Int(size) if size >= 0 => sizes.push(size as usize),
            _ => return Err("an array shape that holds no sizes".into()),
        }
    }
    Ok(sizes)
}

/// The array whose data would come next: its state up to there (version, shape, type, order) stands in `state`.
pub fn arriving(objects: &[Object], state: &[Id], len: u64) -> Option<Arriving> {
    let [_, shape, dtype, fortran] = state else { return None };
    let (Object::Dtype(dtype), Object::Bool(fortran)) = (&objects[*dtype], &objects[*fortran]) else { return None };
    let shape = sizes(objects, *shape).ok().filter(|_| dtype.kind != 'O')?;
    let bytes = shape.iter().try_fold(dtype.width as u64, |n, size| n.checked_mul(*size as u64));
    (bytes == Some(len)).then_some(Arriving { dtype: *dtype, shape, fortran: *fortran })
}

/// A short text or byte string.
fn short_text(objects: &[Object], id: Id) -> Step<String> {
    match &objects[id] {
        Object::Text(text) if text.len() <= LONGEST_NAME => Ok(text.clone()),
        Object::Bytes(bytes) => {
            let bytes = bytes.in_memory().filter(|bytes| bytes.len() <= LONGEST_NAME).ok_or("a name is too long")?;
            String::from_utf8(bytes.to_vec()).map_err(|_| "a name that is not text".into())
        }
        _ => Err("a name was expected".into()),
    }
}

fn dtype(code: &str) -> Step<Dtype> {
    // Codes in pickles carry no byte order, which numpy writes into the state; `>f4` is understood all the same.
    let (big_endian, bare) = match code.as_bytes().first() {
        Some(b'>') => (true, &code[1..]),
        Some(b'<' | b'=' | b'|') => (false, &code[1..]),
        _ => (false, code),
    };
    let dtype = Dtype::parse(bare).ok_or_else(|| format!("`{code}` is no array type"))?;
    Ok(Dtype { big_endian, ..dtype })
}
