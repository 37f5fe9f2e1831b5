//! Windows that slide over a padded plane, as pooling uses them: sizes and clipped ranges. Knows no arithmetic of values.

/// Each pair is (vertical, horizontal). `ceil_mode`: a last window may hang over the padded plane's end as long as it begins
/// inside the plane or the padding before it, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub ceil_mode: bool,
}

impl Window {
    /// The same on both axes, without hanging windows.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Window {
        Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], ceil_mode: false }
    }

    /// Of images (N,C,H,W): (N,C,H′,W′), H′ = (H + 2·padding − kernel)/stride + 1, rounded down or up by `ceil_mode`.
    pub fn output(&self, op: &str, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let &[&[n, c, height, width]] = inputs else {
            return Err(format!("{op}: one input (N,C,H,W) was expected, found {inputs:?}"));
        };
        let mut out = vec![n, c];
        for (axis, size) in [height, width].into_iter().enumerate() {
            let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            if kernel == 0 || stride == 0 || 2 * padding > kernel {
                return Err(format!(
                    "{op}: kernel and stride from 1, padding to half the kernel expected, found {self:?}"
                ));
            }
            if size == 0 || size + 2 * padding < kernel {
                return Err(format!("{op}: a plane of {height}×{width} holds no window of {self:?}"));
            }
            let room = size + 2 * padding - kernel;
            let steps = if self.ceil_mode { room.div_ceil(stride) } else { room / stride };
            // a window that begins in the padding behind the plane would be empty
            let hangs = self.ceil_mode && steps * stride >= size + padding;
            out.push(if hangs { steps } else { steps + 1 });
        }
        Ok(out)
    }

    /// The positions of the plane that window `index` covers along an axis of `size`.
    pub fn range(&self, axis: usize, index: usize, size: usize) -> (usize, usize) {
        let start = index * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]).min(size);
        (start.saturating_sub(self.padding[axis]), end)
    }

    /// How many positions window `index` covers along an axis of `size`; with `padded`, of the padded axis.
    pub fn count(&self, axis: usize, index: usize, size: usize, padded: bool) -> usize {
        if padded {
            let start = index * self.stride[axis];
            return (start + self.kernel[axis]).min(size + 2 * self.padding[axis]) - start;
        }
        let (start, end) = self.range(axis, index, size);
        end - start
    }
}

/// Planes per task of about 2¹⁵ values (128 KiB): a constant, so that tasks depend on shapes alone.
pub fn planes_per_task(plane: usize) -> usize {
    ((1 << 15) / plane.max(1)).max(1)
}
