// y = max(x, 0); dx = g where y > 0, else 0. NaN stays NaN.
// Layout: flat arrays of n values. Launch: one thread a value, THREADS a block. Traffic: 2n words forward, 3n backward.
#include "common.cuh"

KERNEL(THREADS) relu_fwd_f32(const float* __restrict__ x, float* __restrict__ y, int n) {
    int i = index();
    if (i < n) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

KERNEL(THREADS)
relu_bwd_f32(const float* __restrict__ y, const float* __restrict__ g, float* __restrict__ dx, int add, int n) {
    int i = index();
    if (i < n) put(dx + i, y[i] > 0.0f ? g[i] : 0.0f, add);
}
