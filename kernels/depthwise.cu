// Depthwise convolution, one kernel plane per channel, with ReLU before it where `relu` is set:
// y[n,c,r,q] = sum over a,b of w[c,a,b] relu(x)[n,c,r·sy + a·dy - py, q·sx + b·dx - px].
// Layout: x (images,channels,h,w), w (channels,kh,kw), y (images,channels,oh,ow). Launch: one thread an output (forward) or an
// input (its gradient, a gather); the weight gradient has blocks over (channel, chunk of images), partial sums added in order.
// Bandwidth decides: 2·kh·kw FLOPs for 8 bytes.
#include "common.cuh"

// In the order of the table that src/ops/conv/cuda.rs makes.
struct PlaneSizes {
    int images, channels, h, w, oh, ow, kh, kw, sy, sx, dy, dx, py, px;
};

__device__ __forceinline__ PlaneSizes load(const int* t) {
    return {t[0], t[1], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15]};
}

KERNEL(THREADS) depthwise_fwd_f32(const float* x, const float* w, float* y, int relu, const int* sizes) {
    PlaneSizes s = load(sizes);
    int i = index();
    if (i >= s.images * s.channels * s.oh * s.ow) return;
    int plane = i / (s.oh * s.ow), top = i / s.ow % s.oh * s.sy - s.py, left = i % s.ow * s.sx - s.px;
    const float* taps = w + plane % s.channels * s.kh * s.kw;
    float sum = 0.0f;
    for (int a = 0; a < s.kh; a++) {
        for (int b = 0; b < s.kw; b++) {
            int row = top + a * s.dy, column = left + b * s.dx;
            if (row >= 0 && row < s.h && column >= 0 && column < s.w)
                sum += taps[a * s.kw + b] * rectified(x[(plane * s.h + row) * s.w + column], relu);
        }
    }
    y[i] = sum;
}

KERNEL(THREADS)
depthwise_input_f32(const float* g, const float* w, const float* x, float* dx, int add, int relu, const int* sizes) {
    PlaneSizes s = load(sizes);
    int i = index();
    if (i >= s.images * s.channels * s.h * s.w) return;
    int plane = i / (s.h * s.w), down = i / s.w % s.h + s.py, right = i % s.w + s.px;
    const float* taps = w + plane % s.channels * s.kh * s.kw;
    float sum = 0.0f;
    for (int a = 0; a < s.kh; a++) {
        for (int b = 0; b < s.kw; b++) {
            int row = down - a * s.dy, column = right - b * s.dx;
            if (row < 0 || column < 0 || row % s.sy || column % s.sx) continue;
            row /= s.sy, column /= s.sx;
            if (row < s.oh && column < s.ow) sum += taps[a * s.kw + b] * g[(plane * s.oh + row) * s.ow + column];
        }
    }
    if (relu && !(x[i] > 0.0f)) sum = 0.0f;
    put(dx + i, sum, add);
}

// Sums that a thread holds at once.
#define MOST_TAPS 25

// dw (chunks,channels,kh,kw); at most MOST_TAPS taps. Blocks: (channel, chunk of `chunk` images).
KERNEL(THREADS)
depthwise_weights_f32(const float* g, const float* x, float* dw, int add, int relu, const int* sizes, int chunk) {
    DYN_SMEM(float, partials);
    PlaneSizes s = load(sizes);
    int channel = blockIdx.x, taps = s.kh * s.kw, area = s.oh * s.ow, first = blockIdx.y * chunk;
    int count = min(chunk, s.images - first) * area;
    float sums[MOST_TAPS] = {};
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        int plane = (first + i / area) * s.channels + channel, p = i % area;
        float v = g[plane * area + p];
        int top = p / s.ow * s.sy - s.py, left = p % s.ow * s.sx - s.px;
#pragma unroll
        for (int t = 0; t < MOST_TAPS; t++) {
            if (t >= taps) break;
            int row = top + t / s.kw * s.dy, column = left + t % s.kw * s.dx;
            if (row >= 0 && row < s.h && column >= 0 && column < s.w)
                sums[t] += v * rectified(x[(plane * s.h + row) * s.w + column], relu);
        }
    }
#pragma unroll
    for (int t = 0; t < MOST_TAPS; t++) {
        if (t >= taps) break;
        float sum = block_sum(sums[t], partials);
        if (threadIdx.x == 0) put(dw + (blockIdx.y * s.channels + channel) * taps + t, sum, add);
    }
}
