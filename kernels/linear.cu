// y[n,o,p] = bias[o] + sum over i of w[o,i] x[n,i,p], and the gradients by x, w and bias.
// Layout: x (images,inputs,plane), w (outputs,inputs), y (images,outputs,plane); plane is 1 for rows of features. Launch: tiles
// of tile.cuh over (output or input channel) × (image and position). The weight gradient sums over images and positions in
// `chunks` parts (blockIdx.z), which sum_partials_f32 adds in order: no atomics, the same bits every time.
// FLOPs: 2·images·plane·inputs·outputs each.
#include "tile.cuh"

KERNEL(TILE_THREADS)
linear_fwd_f32(const float* x, const float* w, const float* bias, float* y, int images, int inputs, int outputs,
               int plane) {
    DYN_SMEM(float, shared);
    auto a = [=](int o, int i) { return w[o * inputs + i]; };
    auto b = [=](int i, int n) { return x[(n / plane * inputs + i) * plane + n % plane]; };
    auto c = [=](int o, int n, float v) { y[(n / plane * outputs + o) * plane + n % plane] = bias ? v + bias[o] : v; };
    tile_product(shared, a, b, c, outputs, images * plane, 0, inputs);
}

KERNEL(TILE_THREADS)
linear_input_f32(const float* g, const float* w, float* dx, int add, int images, int inputs, int outputs, int plane) {
    DYN_SMEM(float, shared);
    auto a = [=](int i, int o) { return w[o * inputs + i]; };
    auto b = [=](int o, int n) { return g[(n / plane * outputs + o) * plane + n % plane]; };
    auto c = [=](int i, int n, float v) { put(dx + (n / plane * inputs + i) * plane + n % plane, v, add); };
    tile_product(shared, a, b, c, inputs, images * plane, 0, outputs);
}

// dw (chunks,outputs,inputs).
KERNEL(TILE_THREADS)
linear_weights_f32(const float* g, const float* x, float* dw, int add, int images, int inputs, int outputs, int plane,
                   int chunk) {
    DYN_SMEM(float, shared);
    auto a = [=](int o, int n) { return g[(n / plane * outputs + o) * plane + n % plane]; };
    auto b = [=](int n, int i) { return x[(n / plane * inputs + i) * plane + n % plane]; };
    float* to = dw + blockIdx.z * outputs * inputs;
    auto c = [=](int o, int i, float v) { put(to + o * inputs + i, v, add); };
    int start = blockIdx.z * chunk;
    tile_product(shared, a, b, c, outputs, inputs, start, min(start + chunk, images * plane));
}
