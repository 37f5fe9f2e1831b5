//! GAEA PC-DARTS (Li, Khodak, Balcan, Talwalkar, ICLR 2021): exponentiated gradient on the simplices of architecture parameters;
//! by settings as the benchmark ran it or as GAEA was released (methods spec §4.3, §4.4). Knows no space.

use crate::algorithms::bilevel::{Bilevel, Rule, relaxed};
use crate::algorithms::contract::search::{Search, Setup};
use crate::spaces::contract::relaxed::{Mixing, Rows};
use crate::training::exponentiated_gradient;
use candle_core::{Result, Tensor, Var};

/// Below it GAEA's release lets no weight of a primitive fall (`GAEA:cnn/architect/architect_edarts.py`).
const FLOOR: f32 = 1e-5;

struct Exponentiated {
    rate: f64,
    rows: Vec<Rows>,
    floor: bool,
}

pub fn start<'a>(setup: &Setup<'a>) -> std::result::Result<Box<dyn Search + 'a>, String> {
    let training = setup.training.as_ref().ok_or("gaea trains and was given no samples")?;
    let direct = training.params.direct;
    let network = relaxed(setup, if direct { Mixing::Direct } else { Mixing::Softmax })?;
    // with a softmax behind it, upstream normalises the weights of all edges of a cell type together
    let rule = Exponentiated { rate: training.params.architecture_rate, rows: network.rows(!direct), floor: direct };
    Ok(Box::new(Bilevel::new(training, network, Box::new(rule))?))
}

impl Exponentiated {
    fn apply(&self, values: &mut [f32], gradient: &[f32]) {
        for Rows { range, width, primitives } in &self.rows {
            let (values, gradient) = (&mut values[range.clone()], &gradient[range.clone()]);
            exponentiated_gradient::step(values, gradient, *width, self.rate);
            if self.floor && *primitives {
                values.iter_mut().for_each(|v| *v = v.max(FLOOR));
                for row in values.chunks_exact_mut(*width) {
                    let sum: f32 = row.iter().sum();
                    row.iter_mut().for_each(|v| *v /= sum);
                }
            }
        }
    }
}

impl Rule for Exponentiated {
    fn step(&mut self, parameters: &Var, gradient: &Tensor) -> Result<()> {
        let mut values = parameters.to_vec1::<f32>()?;
        self.apply(&mut values, &gradient.to_vec1::<f32>()?);
        parameters.set(&Tensor::from_vec(values, parameters.shape(), parameters.device())?)
    }

    fn memory(&self) -> &[f32] {
        &[]
    }

    fn restore(&mut self, _steps: u64) -> &mut [f32] {
        &mut []
    }
}

#[cfg(test)]
mod tests {
    use super::{Exponentiated, FLOOR};
    use crate::spaces::contract::relaxed::Rows;

    #[test]
    fn rows_stay_simplices_and_nothing_falls_below_the_floor() {
        let rows =
            vec![Rows { range: 0..4, width: 2, primitives: true }, Rows { range: 4..7, width: 3, primitives: false }];
        let mut values = [0.5f32, 0.5, 0.5, 0.5, 0.2, 0.3, 0.5, 9.0];
        let rule = Exponentiated { rate: 1.0, rows, floor: true };
        rule.apply(&mut values, &[40.0, 0.0, 0.0, 1.0, 50.0, 0.0, 0.0, 7.0]);
        assert!((values[0] - FLOOR).abs() < 1e-7 && (values[0] + values[1] - 1.0).abs() < 1e-6);
        assert!((values[2] - 1.0 / (1.0 + (-1f32).exp())).abs() < 1e-6);
        assert!(values[4] < 1e-20, "weights of edges have no floor");
        assert_eq!(values[7], 9.0, "what is in no row stays");
    }
}
