//! The weights of a trained network, `weights.safetensors`: `f32` arrays with names and shapes. Knows no network.

use crate::artifacts::dataset::{Array, encode as encode_arrays};
use safetensors::{Dtype, SafeTensors};

/// Name of the file that a retrain node writes. Parameters and running statistics, named as PyTorch names them.
pub const WEIGHTS_FILE: &str = "weights.safetensors";

/// One saved array: name, shape, values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// The bytes of a safetensors file; the order is by name, so equal arrays give equal bytes.
pub fn encode(saved: &[Saved]) -> Result<Vec<u8>, String> {
    let arrays: Vec<Array> = saved.iter().map(|s| Array::f32(&s.shape, &s.values)).collect();
    let named: Vec<(&str, &Array)> = saved.iter().map(|s| s.name.as_str()).zip(&arrays).collect();
    encode_arrays(&named)
}

/// All arrays of a file, sorted by name. Anything but `f32` is an error.
pub fn decode(bytes: &[u8]) -> Result<Vec<Saved>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let mut saved = Vec::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(format!("{name}: an F32 array was expected, found {:?}", view.dtype()));
        }
        let array = Array { dtype: Dtype::F32, shape: view.shape().to_vec(), bytes: view.data().to_vec().into() };
        saved.push(Saved { name, shape: array.shape.clone(), values: array.to_f32()? });
    }
    saved.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::{Saved, decode, encode};

    #[test]
    fn arrays_come_back_and_their_order_does_not_matter() {
        let b = Saved { name: "b".into(), shape: vec![2, 1], values: vec![f32::MIN_POSITIVE, -0.0] };
        let a = Saved { name: "a.weight".into(), shape: vec![0], values: vec![] };
        let bytes = encode(&[b.clone(), a.clone()]).unwrap();
        assert_eq!(bytes, encode(&[a.clone(), b.clone()]).unwrap());
        assert_eq!(decode(&bytes).unwrap(), [a, b]);
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
