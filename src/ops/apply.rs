//! Any operator as a node of candle's graph: of one, two or three tensors, `f32` or `f64` by the tensors' type. Knows no
//! operator in particular.

use crate::ops::operator::{Mode, Operator, Real, Saved, Sink, View};
use crate::ops::values;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType, bail};
use std::sync::{Arc, Mutex};

/// How a forward pass is meant, for either kind of number.
#[derive(Clone, Debug)]
pub enum Pass {
    Train { step: u64 },
    Evaluate { running: Vec<f64> },
}

#[derive(Debug)]
enum Kept {
    F32(Saved<f32>),
    F64(Saved<f64>),
}

impl Drop for Kept {
    fn drop(&mut self) {
        match self {
            Kept::F32(saved) => std::mem::take(saved).recycle(),
            Kept::F64(saved) => std::mem::take(saved).recycle(),
        }
    }
}

/// One use of an operator: what its forward pass left waits here for the backward pass, and goes with the graph.
#[derive(Clone)]
struct Node {
    op: Arc<dyn Operator>,
    pass: Pass,
    kept: Arc<Mutex<Option<Kept>>>,
}

/// `op` of the inputs, and its batch statistics (none while evaluating).
///
/// Errors: more than three inputs, dimensions that do not fit or cannot be trained on, a type other than `f32` and `f64`, a device other than the CPU.
pub fn apply(op: &Arc<dyn Operator>, inputs: &[&Tensor], pass: Pass) -> Result<(Tensor, Vec<f64>)> {
    let node = Node { op: op.clone(), pass, kept: Arc::new(Mutex::new(None)) };
    let kept = node.kept.clone();
    let whole = inputs.iter().map(|x| x.contiguous()).collect::<Result<Vec<_>>>()?;
    let output = match whole.as_slice() {
        [a] => a.apply_op1(node)?,
        [a, b] => a.apply_op2(b, node)?,
        [a, b, c] => a.apply_op3(b, c, node)?,
        _ => bail!("{}: one to three tensors were expected, found {}", op.name(), inputs.len()),
    };
    let statistics = match &*kept.lock().expect("no panic while locked") {
        Some(Kept::F32(saved)) => saved.statistics.iter().map(|v| f64::from(*v)).collect(),
        Some(Kept::F64(saved)) => saved.statistics.clone(),
        None => Vec::new(),
    };
    Ok((output, statistics))
}

impl Node {
    fn forward(&self, inputs: &[(&CpuStorage, &Layout)]) -> Result<(CpuStorage, Shape)> {
        let dims: Vec<&[usize]> = inputs.iter().map(|(_, l)| l.dims()).collect();
        let out = self.op.output(&dims).map_err(candle_core::Error::msg)?;
        if let Pass::Train { .. } = self.pass {
            self.op.trains(&dims).map_err(candle_core::Error::msg)?;
        }
        let size = out.iter().product();
        let storage = match inputs[0].0 {
            CpuStorage::F32(_) => {
                let (values, saved) = self.run::<f32>(inputs, size)?;
                self.keep(Kept::F32(saved));
                CpuStorage::F32(values)
            }
            CpuStorage::F64(_) => {
                let (values, saved) = self.run::<f64>(inputs, size)?;
                self.keep(Kept::F64(saved));
                CpuStorage::F64(values)
            }
            other => bail!("{}: f32 or f64 was expected, found {:?}", self.op.name(), candle_dtype(other)),
        };
        Ok((storage, Shape::from(out)))
    }

    fn keep(&self, kept: Kept) {
        *self.kept.lock().expect("no panic while locked") = Some(kept);
    }

    fn run<T: Real + WithDType>(&self, inputs: &[(&CpuStorage, &Layout)], size: usize) -> Result<(Vec<T>, Saved<T>)>
    where
        dyn Operator: crate::ops::operator::Kernel<T>,
    {
        let mut views = Vec::with_capacity(inputs.len());
        for (storage, layout) in inputs {
            views.push(View { values: values::of_storage::<T>(self.op.name(), storage, layout)?, dims: layout.dims() });
        }
        let (mut out, mut saved) = (vec![T::default(); size], Saved::default());
        let running: Vec<T>;
        let mode = match &self.pass {
            Pass::Train { step } => Mode::Train { step: *step },
            Pass::Evaluate { running: values } => {
                running = values.iter().map(|v| T::of(*v)).collect();
                Mode::Evaluate { running: &running }
            }
        };
        crate::ops::operator::Kernel::<T>::forward(&*self.op, &views, mode, &mut out, &mut saved);
        Ok((out, saved))
    }

    fn backward(&self, inputs: &[&Tensor], y: &Tensor, g: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let kept = self.kept.lock().expect("no panic while locked");
        match kept.as_ref() {
            Some(Kept::F32(saved)) => self.gradients::<f32>(inputs, y, g, saved),
            Some(Kept::F64(saved)) => self.gradients::<f64>(inputs, y, g, saved),
            None => bail!("{}: backward without forward", self.op.name()),
        }
    }

    fn gradients<T: Real + WithDType>(
        &self,
        inputs: &[&Tensor],
        y: &Tensor,
        g: &Tensor,
        saved: &Saved<T>,
    ) -> Result<Vec<Option<Tensor>>>
    where
        dyn Operator: crate::ops::operator::Kernel<T>,
    {
        // Nobody asks for the gradient of an input that nothing tracks, such as the images.
        let mut gradients: Vec<Option<Vec<T>>> =
            inputs.iter().map(|x| x.track_op().then(|| vec![T::default(); x.elem_count()])).collect();
        values::with_all(inputs, |inputs| {
            values::with_all(&[y, g], |results| {
                let mut sinks: Vec<Option<Sink<'_, T>>> =
                    gradients.iter_mut().map(|g| g.as_mut().map(|values| Sink { values, add: false })).collect();
                let [y, g] = results else { bail!("two arrays were asked for") };
                crate::ops::operator::Kernel::<T>::backward(&*self.op, inputs, y.values, saved, g.values, &mut sinks);
                Ok(())
            })
        })?;
        let tensors = gradients.into_iter().zip(inputs);
        tensors.map(|(g, x)| g.map(|g| Tensor::from_vec(g, x.shape(), x.device())).transpose()).collect()
    }
}

fn candle_dtype(storage: &CpuStorage) -> DType {
    use candle_core::backend::BackendStorage;
    storage.dtype()
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(&self, a: &CpuStorage, al: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(&[(a, al)])
    }

    fn bwd(&self, a: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.backward(&[a], y, g)?.remove(0))
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(&self, a: &CpuStorage, al: &Layout, b: &CpuStorage, bl: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(&[(a, al), (b, bl)])
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[a, b], y, g)?.into_iter();
        Ok((gradients.next().flatten(), gradients.next().flatten()))
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
        c: &CpuStorage,
        cl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(&[(a, al), (b, bl), (c, cl)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[a, b, c], y, g)?.into_iter();
        Ok((gradients.next().flatten(), gradients.next().flatten(), gradients.next().flatten()))
    }
}
