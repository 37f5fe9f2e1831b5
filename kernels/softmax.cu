// Softmax over segments of a flat array: y = exp(x - max) / sum; dx = y (g - sum(y g)).
// Layout: segment s is starts[s] .. starts[s + 1], or, where `starts` is absent, s·k .. (s + 1)·k. Launch: one warp a segment.
#include "common.cuh"

__device__ __forceinline__ void segment(const int* starts, int k, int s, int& start, int& end) {
    start = starts ? starts[s] : s * k;
    end = starts ? starts[s + 1] : start + k;
}

KERNEL(THREADS) softmax_fwd_f32(const float* x, float* y, const int* starts, int k, int segments) {
    int s = index() / 32, lane = threadIdx.x % 32, start, end;
    if (s >= segments) return;
    segment(starts, k, s, start, end);
    float top = LOWEST, sum = 0.0f;
    for (int i = start + lane; i < end; i += 32) top = fmaxf(top, x[i]);
    for (int bits = 16; bits > 0; bits >>= 1) top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, bits));
    for (int i = start + lane; i < end; i += 32) sum += expf(x[i] - top);
    sum = warp_sum(sum);
    for (int i = start + lane; i < end; i += 32) y[i] = expf(x[i] - top) / sum;
}

KERNEL(THREADS)
softmax_bwd_f32(const float* y, const float* g, float* dx, int add, const int* starts, int k, int segments) {
    int s = index() / 32, lane = threadIdx.x % 32, start, end;
    if (s >= segments) return;
    segment(starts, k, s, start, end);
    float sum = 0.0f;
    for (int i = start + lane; i < end; i += 32) sum += y[i] * g[i];
    sum = warp_sum(sum);
    for (int i = start + lane; i < end; i += 32) put(dx + i, y[i] * (g[i] - sum), add);
}
