//! The parameters (trained) and buffers (running statistics) of one network: one flat array each, with named parts in the
//! order in which they were made. Knows no layer and no file format.

use crate::artifacts::weights::Saved;
use candle_core::{DType, Device, Result, Tensor, Var};
use std::ops::Range;
use std::sync::Mutex;

/// A trained array. Names follow PyTorch, such as `block1.layer.0.conv1.weight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    /// Its place in the flat array, row-major.
    pub range: Range<usize>,
}

/// An array that moves with the batches rather than by gradient descent, such as `bn1.running_mean`.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    pub name: String,
    pub range: Range<usize>,
    /// running ← (1 − momentum)·running + momentum·batch, as PyTorch counts it.
    pub momentum: f64,
}

/// Saved arrays that do not belong to this network.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the saved network lacks `{0}`")]
    Missing(String),
    #[error("the saved network has `{0}`, which this architecture does not have")]
    Extra(String),
    #[error("`{name}`: shape {expected:?} was expected, found {found:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

#[derive(Debug)]
pub struct ParameterSet {
    parameters: Vec<Parameter>,
    buffers: Vec<Buffer>,
    /// All trained values, `f32`, or `f64` in a reference network.
    theta: Var,
    /// All running statistics; numbers of the kind that `theta` has.
    running: Mutex<Vec<f64>>,
}

impl ParameterSet {
    /// `values` and `running` hold what the parts of `parameters` and `buffers` start with.
    pub fn new(
        parameters: Vec<Parameter>,
        values: Vec<f32>,
        buffers: Vec<Buffer>,
        running: Vec<f64>,
    ) -> Result<ParameterSet> {
        let theta = Var::from_vec(values.clone(), values.len(), &Device::Cpu)?;
        Ok(ParameterSet { parameters, buffers, theta, running: Mutex::new(running) })
    }

    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Number of trained values.
    pub fn count(&self) -> u64 {
        self.theta.elem_count() as u64
    }

    /// All trained values as one tensor of one dimension.
    pub fn theta(&self) -> &Tensor {
        self.theta.as_tensor()
    }

    /// Running statistics, buffer by buffer.
    pub fn running(&self) -> Vec<f64> {
        self.running.lock().expect("no panic while locked").clone()
    }

    /// Moves the running statistics towards those of a batch.
    pub fn observe(&self, batch: &[f64]) {
        let single = self.theta.dtype() == DType::F32;
        let mut running = self.running.lock().expect("no panic while locked");
        for buffer in &self.buffers {
            for (value, batch) in running[buffer.range.clone()].iter_mut().zip(&batch[buffer.range.clone()]) {
                let moved = (1.0 - buffer.momentum) * *value + buffer.momentum * batch;
                *value = if single { f64::from(moved as f32) } else { moved };
            }
        }
    }

    pub fn into_double(self) -> Result<ParameterSet> {
        Ok(ParameterSet { theta: Var::from_tensor(&self.theta.to_dtype(DType::F64)?)?, ..self })
    }

    /// Parameters, then buffers, in `f32`.
    pub fn save(&self) -> Result<Vec<Saved>> {
        let values = self.theta.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let running = self.running();
        let mut saved = Vec::with_capacity(self.parameters.len() + self.buffers.len());
        for Parameter { name, shape, range } in &self.parameters {
            saved.push(Saved { name: name.clone(), shape: shape.clone(), values: values[range.clone()].to_vec() });
        }
        for Buffer { name, range, .. } in &self.buffers {
            let values = running[range.clone()].iter().map(|v| *v as f32).collect();
            saved.push(Saved { name: name.clone(), shape: vec![range.len()], values });
        }
        Ok(saved)
    }

    /// Takes saved arrays over, in any order; names and shapes must be exactly those of this set. Nothing changes on error.
    pub fn load(&self, saved: &[Saved]) -> std::result::Result<(), LoadError> {
        let known =
            |name: &str| self.parameters.iter().any(|p| p.name == name) || self.buffers.iter().any(|b| b.name == name);
        if let Some(extra) = saved.iter().find(|s| !known(&s.name)) {
            return Err(LoadError::Extra(extra.name.clone()));
        }
        let find = |name: &str, shape: &[usize]| {
            let found = saved.iter().find(|s| s.name == name).ok_or_else(|| LoadError::Missing(name.to_string()))?;
            if found.shape == shape && found.values.len() == shape.iter().product::<usize>() {
                return Ok(found);
            }
            let (name, found) = (found.name.clone(), found.shape.clone());
            Err(LoadError::Shape { name, expected: shape.to_vec(), found })
        };
        let mut values = Vec::with_capacity(self.theta.elem_count());
        for Parameter { name, shape, .. } in &self.parameters {
            values.extend_from_slice(&find(name, shape)?.values);
        }
        let mut running = Vec::new();
        for Buffer { name, range, .. } in &self.buffers {
            running.extend(find(name, &[range.len()])?.values.iter().map(|v| f64::from(*v)));
        }
        let length = values.len();
        self.theta.set(&Tensor::from_vec(values, length, &Device::Cpu)?.to_dtype(self.theta.dtype())?)?;
        *self.running.lock().expect("no panic while locked") = running;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LoadError, ParameterSet};
    use crate::artifacts::weights::Saved;
    use crate::nn::builder::Builder;
    use crate::seed::Purpose;

    fn set() -> ParameterSet {
        let mut builder = Builder::new(Purpose::new(0, "test", "init"));
        builder.within("a", |b| {
            b.parameter("weight", &[2, 3], |s| s.normal());
            b.buffer("running_mean", 2, 0.0, 0.1);
        });
        builder.parameter("bias", &[2], |_| 1.0);
        builder.parameters().unwrap()
    }

    #[test]
    fn saved_arrays_come_back_into_another_set() {
        let (from, to) = (set(), set());
        let mut saved = from.save().unwrap();
        assert_eq!(saved.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["a.weight", "bias", "a.running_mean"]);
        assert_eq!(from.count(), 8);
        saved[0].values[4] = 42.0;
        saved[2].values = vec![7.0, 8.0];
        saved.reverse();
        to.load(&saved).unwrap();
        saved.reverse();
        assert_eq!(to.save().unwrap(), saved);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let set = set();
        let saved = set.save().unwrap();
        assert!(matches!(set.load(&saved[1..]), Err(LoadError::Missing(name)) if name == "a.weight"));
        let mut wrong = saved.clone();
        wrong[1] = Saved { shape: vec![3], values: vec![0.0; 3], ..wrong[1].clone() };
        assert!(matches!(set.load(&wrong), Err(LoadError::Shape { .. })));
        let mut extra = saved;
        extra.push(Saved { name: "c".into(), shape: vec![1], values: vec![0.0] });
        assert!(matches!(set.load(&extra), Err(LoadError::Extra(_))));
    }
}
