//! The parameters (trained) and buffers (running statistics) of one network, in the order in which they were made.
//! Knows no layer and no file format.

use crate::artifacts::weights::Saved;
use crate::seed::{Purpose, Stream};
use candle_core::{Device, Result, Tensor, Var};
use std::sync::{Arc, Mutex};

/// A trained array. Names follow PyTorch, such as `block1.layer.0.conv1.weight`.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub var: Var,
}

/// An array that is updated outside of gradient descent, such as `bn1.running_mean`. Clones share the values.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub name: String,
    values: Arc<Mutex<Vec<f32>>>,
}

impl Buffer {
    pub fn values(&self) -> Vec<f32> {
        self.values.lock().expect("no panic while locked").clone()
    }

    /// `f` changes the values in place.
    pub fn update(&self, f: impl FnOnce(&mut [f32])) {
        f(&mut self.values.lock().expect("no panic while locked"));
    }
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

#[derive(Clone, Debug, Default)]
pub struct ParameterSet {
    pub parameters: Vec<Parameter>,
    pub buffers: Vec<Buffer>,
}

impl ParameterSet {
    /// Number of trained values.
    pub fn count(&self) -> u64 {
        self.parameters.iter().map(|p| p.var.elem_count() as u64).sum()
    }

    /// Parameters, then buffers.
    pub fn save(&self) -> Result<Vec<Saved>> {
        let mut saved = Vec::with_capacity(self.parameters.len() + self.buffers.len());
        for Parameter { name, var } in &self.parameters {
            let values = var.flatten_all()?.to_vec1::<f32>()?;
            saved.push(Saved { name: name.clone(), shape: var.dims().to_vec(), values });
        }
        for buffer in &self.buffers {
            let values = buffer.values();
            saved.push(Saved { name: buffer.name.clone(), shape: vec![values.len()], values });
        }
        Ok(saved)
    }

    /// Takes saved arrays over, in any order; names and shapes must be exactly those of this set.
    pub fn load(&self, saved: &[Saved]) -> std::result::Result<(), LoadError> {
        let find =
            |name: &str| saved.iter().find(|s| s.name == name).ok_or_else(|| LoadError::Missing(name.to_string()));
        let check = |found: &Saved, expected: &[usize]| {
            if found.shape == expected && found.values.len() == expected.iter().product::<usize>() {
                return Ok(());
            }
            let (name, found) = (found.name.clone(), found.shape.clone());
            Err(LoadError::Shape { name, expected: expected.to_vec(), found })
        };
        let known =
            |name: &str| self.parameters.iter().any(|p| p.name == name) || self.buffers.iter().any(|b| b.name == name);
        if let Some(extra) = saved.iter().find(|s| !known(&s.name)) {
            return Err(LoadError::Extra(extra.name.clone()));
        }
        for Parameter { name, var } in &self.parameters {
            let found = find(name)?;
            check(found, var.dims())?;
            var.set(&Tensor::from_slice(&found.values, var.shape(), var.device())?)?;
        }
        for buffer in &self.buffers {
            let found = find(&buffer.name)?;
            check(found, &[buffer.values().len()])?;
            buffer.update(|values| values.copy_from_slice(&found.values));
        }
        Ok(())
    }
}

/// Makes parameters under a path of names. Each one draws from its own stream, by its place in the order.
pub struct Builder {
    set: ParameterSet,
    init: Purpose,
    path: Vec<String>,
}

impl Builder {
    /// `init` is the purpose of all initial values, such as (seed, `retrain`, `init`).
    pub fn new(init: Purpose) -> Self {
        Builder { set: ParameterSet::default(), init, path: Vec::new() }
    }

    pub fn finish(self) -> ParameterSet {
        self.set
    }

    /// What `f` makes is named `<name>.…`.
    pub fn within<R>(&mut self, name: &str, f: impl FnOnce(&mut Builder) -> R) -> R {
        self.path.push(name.to_string());
        let result = f(self);
        self.path.pop();
        result
    }

    fn name(&self, name: &str) -> String {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path + name
    }

    /// A parameter whose values are drawn in row-major order.
    pub fn parameter(
        &mut self,
        name: &str,
        shape: &[usize],
        mut draw: impl FnMut(&mut Stream) -> f64,
    ) -> Result<Tensor> {
        let mut stream = self.init.at(self.set.parameters.len() as u64);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| draw(&mut stream) as f32).collect();
        let var = Var::from_vec(values, shape, &Device::Cpu)?;
        let tensor = var.as_tensor().clone();
        self.set.parameters.push(Parameter { name: self.name(name), var });
        Ok(tensor)
    }

    /// A buffer of `length` equal values.
    pub fn buffer(&mut self, name: &str, length: usize, value: f32) -> Buffer {
        let buffer = Buffer { name: self.name(name), values: Arc::new(Mutex::new(vec![value; length])) };
        self.set.buffers.push(buffer.clone());
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::{Builder, LoadError, ParameterSet};
    use crate::artifacts::weights::Saved;
    use crate::seed::Purpose;

    fn set() -> ParameterSet {
        let mut builder = Builder::new(Purpose::new(0, "test", "init"));
        builder.within("a", |b| {
            b.parameter("weight", &[2, 3], |s| s.normal()).unwrap();
            b.buffer("running_mean", 2, 0.0);
        });
        builder.parameter("bias", &[2], |_| 1.0).unwrap();
        builder.finish()
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
