//! Reads Python pickles that hold plain data and numpy arrays. Nothing in a pickle is executed: the few callables that such
//! files name are recognised, every other name is an error (task specification §2.2).
//!
//! The result is a graph of objects referring to each other by id, as a pickle may share or repeat objects at will:
//! whoever walks it decides how deep. Memory is bounded by the file: long byte strings go to a scratch file.

use crate::data::dtype::Dtype;
use crate::data::pickle_machine::Machine;
use crate::data::pickle_object::{Id, Object, Taker};
use std::io::Read;
use std::path::Path;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct PickleError {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// A read pickle.
#[derive(Debug)]
pub struct Pickle {
    objects: Vec<Object>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle from its first byte to its STOP. `scratch` takes long byte strings.
    pub fn read(file: &str, reader: &mut dyn Read, scratch: &Path) -> Result<Pickle, PickleError> {
        Pickle::run(file, Machine::new(reader, scratch, None))
    }

    /// As `read`, but `taker` may read the elements of arrays as they arrive, so that they are kept nowhere. Which arrays
    /// they were is known at the end: `taken`.
    pub fn read_taking<'a>(
        file: &str,
        reader: &'a mut dyn Read,
        scratch: &'a Path,
        taker: &'a mut Taker<'a>,
    ) -> Result<Pickle, PickleError> {
        Pickle::run(file, Machine::new(reader, scratch, Some(taker)))
    }

    fn run(file: &str, machine: Machine<'_>) -> Result<Pickle, PickleError> {
        match machine.run() {
            Ok((objects, root)) => Ok(Pickle { objects, root }),
            Err((offset, problem)) => Err(PickleError { file: file.to_string(), offset, problem }),
        }
    }

    /// The number, in the order of taking, of the array `id` whose elements were taken.
    pub fn taken(&self, id: Id) -> Option<usize> {
        let Object::Array { data, .. } = self.get(id) else { return None };
        match self.get(*data) {
            Object::Taken { number, .. } => Some(*number),
            _ => None,
        }
    }

    pub fn root(&self) -> Id {
        self.root
    }

    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    /// The value of a text (or, from Python 2, byte string) key of the dict `id`; the last one wins, as in Python.
    pub fn item(&self, id: Id, key: &str) -> Option<Id> {
        let Object::Dict(items) = self.get(id) else { return None };
        items.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// A text, or a byte string that is UTF-8.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            Object::Bytes(bytes) => std::str::from_utf8(bytes.in_memory()?).ok(),
            _ => None,
        }
    }

    /// An integer, or a numpy integer scalar.
    pub fn integer(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Object::Int(value) => Some(*value),
            Object::Bool(value) => Some(i64::from(*value)),
            Object::Scalar { dtype, data } => {
                let Object::Bytes(bytes) = self.get(*data) else { return None };
                integers(*dtype, bytes.in_memory()?)?.first().copied()
            }
            _ => None,
        }
    }

    /// A float, an integer, or a numpy number.
    pub fn float(&self, id: Id) -> Option<f64> {
        match self.get(id) {
            Object::Float(value) => Some(*value),
            Object::Scalar { dtype, data } if dtype.is_number() => {
                let Object::Bytes(bytes) = self.get(*data) else { return None };
                let mut value = [0.0];
                dtype.f64s(bytes.in_memory()?, &mut value);
                Some(value[0])
            }
            _ => self.integer(id).map(|value| value as f64),
        }
    }

    /// The objects of a list, a tuple or an array of objects (in C order).
    pub fn elements(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::List(items) | Object::Tuple(items) => Some(items),
            Object::Array { dtype, data, .. } if dtype.kind == 'O' => self.elements(*data),
            _ => None,
        }
    }

    /// The texts of a list, tuple or array of objects, or of an array of texts (`U`) or UTF-8 byte strings (`S`) with one axis.
    pub fn texts(&self, id: Id) -> Option<Vec<String>> {
        match self.get(id) {
            Object::Array { dtype, shape, data, .. } if matches!(dtype.kind, 'U' | 'S') && shape.len() == 1 => {
                let Object::Bytes(bytes) = self.get(*data) else { return None };
                if dtype.width == 0 {
                    return None;
                }
                let mut all = Vec::new();
                bytes.open().ok()?.read_to_end(&mut all).ok()?;
                all.chunks_exact(dtype.width).map(|bytes| dtype.text(bytes)).collect()
            }
            _ => self.elements(id)?.iter().map(|item| self.text(*item).map(str::to_string)).collect(),
        }
    }

    /// The integers of a list, tuple or one-dimensional integer array.
    pub fn integers(&self, id: Id) -> Option<Vec<i64>> {
        match self.get(id) {
            Object::List(items) | Object::Tuple(items) => items.iter().map(|item| self.integer(*item)).collect(),
            Object::Array { dtype, shape, data, .. } if shape.len() == 1 => {
                let Object::Bytes(bytes) = self.get(*data) else { return None };
                let mut all = Vec::new();
                bytes.open().ok()?.read_to_end(&mut all).ok()?;
                integers(*dtype, &all)
            }
            _ => None,
        }
    }
}

fn integers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<i64>> {
    if !matches!(dtype.kind, 'i' | 'u' | 'b') || !dtype.is_number() {
        return None;
    }
    let mut values = vec![0; bytes.len() / dtype.width];
    dtype.i64s(bytes, &mut values).ok()?;
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::{Pickle, PickleError};
    use crate::data::pickle_object::{Arriving, Object};
    use crate::data::synthetic::{Purpose, Stream};
    use std::io::Read;

    fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
        // nothing here is long enough to be spilled
        Pickle::read("x.pkl", &mut &bytes[..], std::path::Path::new("."))
    }

    fn refused(bytes: &[u8], word: &str) {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("x.pkl, offset"), "{message}");
    }

    /// Python 2, protocol 2: {'a': [1, -2, 300], 'm': np.array([[1,2],[3,4]], 'u1'), 's': 'xy'}, as CIFAR's batches are.
    fn sample() -> Vec<u8> {
        let mut bytes = b"\x80\x02}q\x00(U\x01aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM\x2c\x01eU\x01mq\x03".to_vec();
        bytes.extend(b"cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85q\x06U\x01bq\x07\x87q\x08Rq\x09");
        bytes.extend(b"(K\x01K\x02K\x02\x86q\x0acnumpy\ndtype\nq\x0bU\x02u1q\x0cK\x00K\x01\x87q\x0dRq\x0e");
        bytes.extend(
            b"(K\x03U\x01|q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89U\x04\x01\x02\x03\x04q\x11tq\x12b",
        );
        bytes.extend(b"U\x01sq\x13U\x02xyq\x14u.");
        bytes
    }

    #[test]
    fn reads_lists_texts_and_arrays() {
        let pickle = read(&sample()).unwrap();
        let item = |key| pickle.item(pickle.root(), key).unwrap();
        assert_eq!(pickle.integers(item("a")).unwrap(), vec![1, -2, 300]);
        assert_eq!(pickle.text(item("s")), Some("xy"));
        let Object::Array { dtype, shape, fortran, data } = pickle.get(item("m")) else { panic!() };
        assert_eq!((dtype.kind, dtype.width, shape.as_slice(), *fortran), ('u', 1, &[2, 2][..], false));
        let Object::Bytes(bytes) = pickle.get(*data) else { panic!() };
        assert_eq!(bytes.in_memory(), Some(&[1u8, 2, 3, 4][..]));
        assert!(pickle.item(pickle.root(), "z").is_none());
    }

    #[test]
    fn elements_can_be_taken_as_they_arrive() {
        let bytes = sample();
        let mut seen = Vec::new();
        let mut take = |array: &Arriving, reader: &mut dyn Read| {
            assert_eq!((array.dtype.kind, array.shape.as_slice(), array.fortran), ('u', &[2, 2][..], false));
            reader.read_to_end(&mut seen).map_err(|e| e.to_string())?;
            Ok(true)
        };
        let pickle = Pickle::read_taking("x.pkl", &mut &bytes[..], std::path::Path::new("."), &mut take).unwrap();
        let id = pickle.item(pickle.root(), "m").unwrap();
        assert_eq!((pickle.taken(id), pickle.taken(pickle.root())), (Some(0), None));
        assert_eq!(pickle.text(pickle.item(pickle.root(), "s").unwrap()), Some("xy"));
        assert_eq!(seen, [1, 2, 3, 4]);
        let mut half = |_: &Arriving, reader: &mut dyn Read| {
            reader.read_exact(&mut [0; 2]).map_err(|e| e.to_string())?;
            Ok(true)
        };
        let error = Pickle::read_taking("x.pkl", &mut &bytes[..], std::path::Path::new("."), &mut half).unwrap_err();
        assert!(error.problem.contains("but for 2"), "{error}");
        let mut none = |_: &Arriving, _: &mut dyn Read| Ok(false);
        let pickle = Pickle::read_taking("x.pkl", &mut &bytes[..], std::path::Path::new("."), &mut none).unwrap();
        assert_eq!(pickle.taken(pickle.item(pickle.root(), "m").unwrap()), None);
    }

    #[test]
    fn other_opcodes_of_the_specification() {
        let pickle = read(b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00(\x8a\x02\x18\xfcI42\nI01\nG?\xf8\x00\x00\x00\x00\x00\x00N\x88\x8c\x02hi\x94)}]\x94K\x07at.")
            .unwrap();
        let Object::Tuple(items) = pickle.get(pickle.root()) else { panic!() };
        let integers: Vec<_> = items[..3].iter().map(|id| pickle.integer(*id).unwrap()).collect();
        assert_eq!(integers, vec![-1000, 42, 1]);
        assert!(matches!(pickle.get(items[3]), Object::Float(1.5)));
        assert_eq!(pickle.text(items[6]), Some("hi"));
        assert_eq!(pickle.integers(items[9]).unwrap(), vec![7]);
        // bytes of Python 3 at protocol 2
        let pickle = read("\u{80}".as_bytes()); // not even a protocol
        assert!(pickle.is_err());
        let pickle =
            read(b"\x80\x02c_codecs\nencode\nX\x03\x00\x00\x00a\xc3\xbfX\x06\x00\x00\x00latin1\x86R.").unwrap();
        let Object::Bytes(bytes) = pickle.get(pickle.root()) else { panic!() };
        assert_eq!(bytes.in_memory(), Some(&[b'a', 0xff][..]));
    }

    #[test]
    fn opcodes_of_protocol_0() {
        // (1, -2L, 2.5, 'a\n', u'é€', [x, x], 7) with a list that was dropped and an item that was doubled
        let pickle = read(
            b"(I1\nL-2L\nF2.5\nS'a\\n'\np0\nV\xe9\\u20ac\np1\n(lp2\ng0\nag0\na(lI3\n002\x8b\x01\0\0\0\x07(I9\n1t.",
        )
        .unwrap();
        let Object::Tuple(items) = pickle.get(pickle.root()) else { panic!() };
        assert_eq!((pickle.integer(items[0]), pickle.integer(items[1])), (Some(1), Some(-2)));
        assert_eq!((pickle.float(items[2]), pickle.float(items[1])), (Some(2.5), Some(-2.0)));
        assert_eq!((pickle.text(items[3]), pickle.text(items[4])), (Some("a\n"), Some("é€")));
        assert_eq!(pickle.texts(items[5]).unwrap(), ["a\n", "a\n"]);
        assert_eq!((items[6], pickle.integer(items[7]), items.len()), (items[5], Some(7), 8));
    }

    #[test]
    fn a_numpy_scalar_is_an_integer() {
        let mut bytes = b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02i8K\x00K\x01\x87R".to_vec();
        bytes.extend(
            b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08\xfe\xff\xff\xff\xff\xff\xff\xff\x86R.",
        );
        let pickle = read(&bytes).unwrap();
        assert_eq!(pickle.integer(pickle.root()), Some(-2));
    }

    #[test]
    fn nothing_is_executed() {
        refused(b"cos\nsystem\n(U\x02lstR.", "os.system");
        refused(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval");
        refused(b"\x80\x02cnumpy\nndarray\nU\x01x\x85R.", "other arguments");
        refused(b"(ios\nsystem\n.", "opcode");
        refused(b"\x80\x02}U\x01aU\x01bU\x01c\x93.", "no text");
        refused(b"\x80\x02K\x01K\x02b.", "no tuple");
    }

    #[test]
    fn hostile_sizes_allocate_nothing() {
        refused(b"\x80\x02B\xff\xff\xff\xffabc.", "ends after");
        refused(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "ends after");
        refused(b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "a text of");
        refused(b"\x80\x02", "cut");
        refused(b".", "stack");
        refused(b"(0.", "stack");
        refused(b"\x80\x05\x97.", "outside the pickle");
        refused(b"\x80\x04\x8f.", "a set");
        refused(b"t.", "mark");
        refused(b"h\x05.", "memo 5");
    }

    /// A list that holds itself, and a tuple of tuples that would be 2¹⁰⁰ long if copied.
    #[test]
    fn sharing_and_cycles_stay_small() {
        let pickle = read(b"\x80\x02]q\x00h\x00a.").unwrap();
        assert!(pickle.integers(pickle.root()).is_none());
        let mut bytes = b"\x80\x02)q\x00".to_vec();
        for i in 1..100u8 {
            bytes.extend([b'h', i - 1, b'h', i - 1, 0x86, b'q', i]);
        }
        bytes.push(b'.');
        assert!(
            matches!(read(&bytes).unwrap(), pickle if matches!(pickle.get(pickle.root()), Object::Tuple(items) if items.len() == 2))
        );
    }

    #[test]
    fn mutations_never_panic() {
        let sample = sample();
        let mut stream = Stream::new("pickle", "test", Purpose::Noise, 0, None);
        let mut errors = 0;
        for _ in 0..5000 {
            let mut bytes = sample.clone();
            for _ in 0..=stream.below(3) {
                let at = stream.below(bytes.len() as u64) as usize;
                bytes[at] = if stream.below(3) == 0 {
                    b"().]}htuaesR\x93b\xff"[stream.below(14) as usize]
                } else {
                    stream.bits() as u8
                };
            }
            if stream.below(4) == 0 {
                bytes.truncate(stream.below(bytes.len() as u64) as usize);
            }
            match read(&bytes) {
                Ok(pickle) => {
                    pickle.item(pickle.root(), "a").and_then(|id| pickle.integers(id));
                }
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 1000, "{errors}");
    }
}
