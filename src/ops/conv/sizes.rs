//! The sizes of one convolution, checked. Knows no values.

use crate::ops::conv::Conv;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub images: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub groups: usize,
    /// Of an input plane: height, width; likewise `out` and all that follows.
    pub plane: [usize; 2],
    pub out: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros before and after.
    pub padding: [[usize; 2]; 2],
}

impl Sizes {
    /// Of an input (N,C,H,W) and weights (O,C/groups,h,w).
    pub fn of(op: &Conv, x: &[usize], weight: &[usize]) -> Result<Sizes, String> {
        let (&[images, inputs, height, width], &[outputs, channels, kh, kw]) = (x, weight) else {
            return Err(format!("conv: (N,C,H,W) and (O,C/groups,h,w) were expected, found {x:?} and {weight:?}"));
        };
        let Conv { stride, padding, dilation, groups, .. } = *op;
        if stride.contains(&0) || dilation.contains(&0) || groups == 0 {
            return Err(format!("conv: stride, dilation and groups of at least 1 were expected, found {op:?}"));
        }
        if inputs % groups != 0 || outputs % groups != 0 || channels != inputs / groups {
            return Err(format!("conv: weights {weight:?} do not fit an input {x:?} in {groups} groups"));
        }
        let (plane, kernel, mut out) = ([height, width], [kh, kw], [0; 2]);
        for a in 0..2 {
            let padded = plane[a] + padding[a][0] + padding[a][1];
            let window = dilation[a] * (kernel[a].max(1) - 1) + 1;
            if kernel[a] == 0 || padded < window {
                return Err(format!(
                    "conv: a kernel that fits the padded input was expected, found {weight:?} on {x:?} with {op:?}"
                ));
            }
            out[a] = (padded - window) / stride[a] + 1;
        }
        Ok(Sizes { images, inputs, outputs, groups, plane, out, kernel, stride, dilation, padding })
    }

    /// The number of kernel positions.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Channels that meet in one group: inputs, outputs.
    pub fn group(&self) -> [usize; 2] {
        [self.inputs / self.groups, self.outputs / self.groups]
    }

    pub fn out_area(&self) -> usize {
        self.out[0] * self.out[1]
    }
}
