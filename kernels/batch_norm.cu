// Batch norm per channel with scale, shift, residual and ReLU, in three launches each way: sums of chunks, their combination
// in order, one pass that writes.
// Layout: x, y (images,channels,plane); norms = mean (channels), then 1/sqrt(variance + eps) (channels); statistics = mean, then
// variance with divisor n - 1. Launch: sums have blocks over (channel, chunk), combinations one thread a channel, passes one
// thread a value. Traffic: forward 3n words (+ n for the residual), backward 5n (+ n).
// A chunk's mean is taken out before it is squared, and chunks are combined by Chan, Golub and LeVeque's formula (1979): no
// difference of large sums.
#include "common.cuh"

// Where value `i` of a channel lies.
__device__ __forceinline__ int place(int i, int channel, int channels, int plane) {
    return (i / plane * channels + channel) * plane + i % plane;
}

// partials (channels,chunks,2): mean and sum of squares about it.
KERNEL(THREADS) norm_sums_f32(const float* x, float* partials, int channels, int plane, int count, int chunk) {
    DYN_SMEM(float, shared);
    int channel = blockIdx.x, start = blockIdx.y * chunk, end = min(start + chunk, count);
    float sum = 0.0f, squares = 0.0f;
    for (int i = start + threadIdx.x; i < end; i += blockDim.x) sum += x[place(i, channel, channels, plane)];
    float mean = block_sum(sum, shared) / float(end - start);
    for (int i = start + threadIdx.x; i < end; i += blockDim.x) {
        float d = x[place(i, channel, channels, plane)] - mean;
        squares += d * d;
    }
    squares = block_sum(squares, shared);
    if (threadIdx.x == 0) {
        float* to = partials + (channel * gridDim.y + blockIdx.y) * 2;
        to[0] = mean, to[1] = squares;
    }
}

// Also for the results of several norms of one shape, one after the other: `each` channels of statistics per norm.
KERNEL(THREADS)
norm_statistics_f32(const float* partials, float* norms, float* statistics, int channels, int each, int count,
                    int chunk, int chunks, float eps) {
    int c = index();
    if (c >= channels) return;
    double seen = 0.0, mean = 0.0, squares = 0.0;
    for (int i = 0; i < chunks; i++) {
        const float* from = partials + (c * chunks + i) * 2;
        double more = min(chunk, count - i * chunk), d = double(from[0]) - mean, all = seen + more;
        mean += d * more / all;
        squares += double(from[1]) + d * d * seen * more / all;
        seen = all;
    }
    norms[c] = float(mean);
    norms[channels + c] = float(1.0 / sqrt(squares / seen + double(eps)));
    float* to = statistics + c / each * 2 * each + c % each;
    to[0] = float(mean);
    to[each] = float(squares / (seen - 1.0));
}

// norms from running statistics.
KERNEL(THREADS) norm_running_f32(const float* running, float* norms, int channels, int each, float eps) {
    int c = index();
    if (c >= channels) return;
    const float* from = running + c / each * 2 * each + c % each;
    norms[c] = from[0];
    norms[channels + c] = float(1.0 / sqrt(double(from[each]) + double(eps)));
}

KERNEL(THREADS)
norm_apply_f32(const float* x, const float* norms, const float* scale, const float* shift, const float* residual,
               float* y, int relu, int channels, int plane, int n) {
    int i = index();
    if (i >= n) return;
    int c = i / plane % channels;
    float v = (x[i] - norms[c]) * norms[channels + c];
    if (scale) v = v * scale[c] + shift[c];
    if (residual) v += residual[i];
    y[i] = relu && v < 0.0f ? 0.0f : v;
}

// How the sign before ReLU is found: 0 no ReLU, 1 from x again, 2 the output is positive.
__device__ __forceinline__ bool open(int mask, float normal, const float* scale, const float* shift, const float* y,
                                     int c, int at) {
    if (mask == 0) return true;
    if (mask == 2) return y[at] > 0.0f;
    return (scale ? normal * scale[c] + shift[c] : normal) > 0.0f;
}

// partials (channels,chunks,2): sums of the masked gradient and of its product with the normalised value.
KERNEL(THREADS)
norm_gradient_sums_f32(const float* x, const float* g, const float* norms, const float* scale, const float* shift,
                       const float* y, float* partials, int mask, int channels, int plane, int count, int chunk) {
    DYN_SMEM(float, shared);
    int c = blockIdx.x, start = blockIdx.y * chunk, end = min(start + chunk, count);
    float mean = norms[c], factor = norms[channels + c], plain = 0.0f, scaled = 0.0f;
    for (int i = start + threadIdx.x; i < end; i += blockDim.x) {
        int at = place(i, c, channels, plane);
        float normal = (x[at] - mean) * factor, v = open(mask, normal, scale, shift, y, c, at) ? g[at] : 0.0f;
        plain += v;
        scaled += v * normal;
    }
    plain = block_sum(plain, shared);
    scaled = block_sum(scaled, shared);
    if (threadIdx.x == 0) {
        float* to = partials + (c * gridDim.y + blockIdx.y) * 2;
        to[0] = plain, to[1] = scaled;
    }
}

// sums (2,channels) as above; they are the gradients of shift and scale.
KERNEL(THREADS)
norm_gradient_totals_f32(const float* partials, float* sums, float* dscale, int add_scale, float* dshift, int add_shift,
                         int channels, int chunks) {
    int c = index();
    if (c >= channels) return;
    double plain = 0.0, scaled = 0.0;
    for (int i = 0; i < chunks; i++)
        plain += partials[(c * chunks + i) * 2], scaled += partials[(c * chunks + i) * 2 + 1];
    sums[c] = float(plain), sums[channels + c] = float(scaled);
    if (dscale) put(dscale + c, float(scaled), add_scale);
    if (dshift) put(dshift + c, float(plain), add_shift);
}

KERNEL(THREADS)
norm_gradient_f32(const float* x, const float* g, const float* norms, const float* scale, const float* shift,
                  const float* y, const float* sums, float* dx, int add, float* dresidual, int add_residual, int mask,
                  int channels, int plane, int count, int n) {
    int i = index();
    if (i >= n) return;
    int c = i / plane % channels;
    float normal = (x[i] - norms[c]) * norms[channels + c];
    float v = open(mask, normal, scale, shift, y, c, i) ? g[i] : 0.0f;
    float d = norms[channels + c] * (v - (sums[c] + normal * sums[channels + c]) / float(count));
    if (dx) put(dx + i, scale ? scale[c] * d : d, add);
    if (dresidual) put(dresidual + i, v, add_residual);
}
