// y[n,o,p] = bias[o] + sum over i of w[o,i] x[n,i,p], and the gradients by x, w and bias; with `relu` of max(x, 0) instead of x, whose
// gradient is masked by x where that is given.
// Layout: x (images,inputs,plane), w (outputs,inputs), y (images,outputs,plane); plane is 1 for rows of features. Launch: tiles
// of tile.cuh over (output or input channel) × (image and position). The weight gradient sums over images and positions in
// `chunks` parts (blockIdx.z), which sum_partials_f32 adds in order: no atomics, the same bits every time.
// FLOPs: 2·images·plane·inputs·outputs each.
#include "tile.cuh"

template <class P>
__device__ __forceinline__ void linear_fwd(const P& product, float* shared, const float* x, const float* w,
                                           const float* bias, float* y, int relu, int images, int inputs, int outputs,
                                           int plane) {
    auto a = [=](int o, int i) { return w[o * inputs + i]; };
    auto b = [=](int i, int n) { return rectified(x[(n / plane * inputs + i) * plane + n % plane], relu); };
    auto c = [=](int o, int n, float v) { y[(n / plane * outputs + o) * plane + n % plane] = bias ? v + bias[o] : v; };
    product(shared, a, b, c, outputs, images * plane, 0, inputs);
}

template <class P>
__device__ __forceinline__ void linear_input(const P& product, float* shared, const float* g, const float* w,
                                             const float* x, float* dx, int add, int images, int inputs, int outputs,
                                             int plane) {
    auto a = [=](int i, int o) { return w[o * inputs + i]; };
    auto b = [=](int o, int n) { return g[(n / plane * outputs + o) * plane + n % plane]; };
    auto c = [=](int i, int n, float v) {
        int at = (n / plane * inputs + i) * plane + n % plane;
        put(dx + at, x && !(x[at] > 0.0f) ? 0.0f : v, add);
    };
    product(shared, a, b, c, inputs, images * plane, 0, outputs);
}

// dw (chunks,outputs,inputs).
template <class P>
__device__ __forceinline__ void linear_weights(const P& product, float* shared, const float* g, const float* x,
                                               float* dw, int add, int relu, int images, int inputs, int outputs,
                                               int plane, int chunk) {
    auto a = [=](int o, int n) { return g[(n / plane * outputs + o) * plane + n % plane]; };
    auto b = [=](int n, int i) { return rectified(x[(n / plane * inputs + i) * plane + n % plane], relu); };
    float* to = dw + blockIdx.z * outputs * inputs;
    auto c = [=](int o, int i, float v) { put(to + o * inputs + i, v, add); };
    int start = blockIdx.z * chunk;
    product(shared, a, b, c, outputs, inputs, start, min(start + chunk, images * plane));
}

// In plain f32, and on tensor cores.

KERNEL(TILE_THREADS)
linear_fwd_f32(const float* x, const float* w, const float* bias, float* y, int relu, int images, int inputs,
               int outputs, int plane) {
    DYN_SMEM(float, shared);
    linear_fwd(Plain(), shared, x, w, bias, y, relu, images, inputs, outputs, plane);
}

KERNEL(TILE_THREADS)
linear_fwd_tf32(const float* x, const float* w, const float* bias, float* y, int relu, int images, int inputs,
                int outputs, int plane, int exact) {
    DYN_SMEM(float, shared);
    linear_fwd(Tensor{exact}, shared, x, w, bias, y, relu, images, inputs, outputs, plane);
}

KERNEL(TILE_THREADS)
linear_input_f32(const float* g, const float* w, const float* x, float* dx, int add, int images, int inputs,
                 int outputs, int plane) {
    DYN_SMEM(float, shared);
    linear_input(Plain(), shared, g, w, x, dx, add, images, inputs, outputs, plane);
}

KERNEL(TILE_THREADS)
linear_input_tf32(const float* g, const float* w, const float* x, float* dx, int add, int images, int inputs,
                  int outputs, int plane, int exact) {
    DYN_SMEM(float, shared);
    linear_input(Tensor{exact}, shared, g, w, x, dx, add, images, inputs, outputs, plane);
}

KERNEL(TILE_THREADS)
linear_weights_f32(const float* g, const float* x, float* dw, int add, int relu, int images, int inputs, int outputs,
                   int plane, int chunk) {
    DYN_SMEM(float, shared);
    linear_weights(Plain(), shared, g, x, dw, add, relu, images, inputs, outputs, plane, chunk);
}

KERNEL(TILE_THREADS)
linear_weights_tf32(const float* g, const float* x, float* dw, int add, int relu, int images, int inputs, int outputs,
                    int plane, int chunk, int exact) {
    DYN_SMEM(float, shared);
    linear_weights(Tensor{exact}, shared, g, x, dw, add, relu, images, inputs, outputs, plane, chunk);
}
