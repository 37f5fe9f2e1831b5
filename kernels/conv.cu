// Convolution with stride, dilation, groups and padding as an implicit matrix product: no column matrix is written.
// y[n,o,r,c] = bias[o] + summand + sum over i,a,b of w[o,i,a,b] x[n,i,r·sy + a·dy - py, c·sx + b·dx - px].
// Layout: x (images,inputs,h,w), w (outputs,inputs/groups,kh,kw), y (images,outputs,oh,ow). Launch: tiles of tile.cuh; blockIdx.z
// is the group, for the weight gradient the group within each chunk of (image, output position), whose partial sums
// sum_partials_f32 adds in order. FLOPs: 2·images·outputs·oh·ow·inputs/groups·kh·kw each.
#include "tile.cuh"

// In the order of the table that src/ops/conv/cuda.rs makes.
struct ConvSizes {
    int images, inputs, outputs, groups, h, w, oh, ow, kh, kw, sy, sx, dy, dx, py, px;
};

__device__ __forceinline__ ConvSizes load(const int* t) {
    return {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15]};
}

// The input value that tap (a, b) of output position `n` (image, row, column) sees in channel `channel`; 0 in the padding.
__device__ __forceinline__ float seen(const float* x, const ConvSizes& s, int channel, int n, int tap) {
    int area = s.oh * s.ow, image = n / area, p = n % area;
    int row = p / s.ow * s.sy + tap / s.kw * s.dy - s.py, column = p % s.ow * s.sx + tap % s.kw * s.dx - s.px;
    if (row < 0 || row >= s.h || column < 0 || column >= s.w) return 0.0f;
    return x[((image * s.inputs + channel) * s.h + row) * s.w + column];
}

// The gradient of that output of channel `channel` which sees input position `n` by this tap; 0 where there is none.
__device__ __forceinline__ float seeing(const float* g, const ConvSizes& s, int channel, int n, int tap) {
    int area = s.h * s.w, image = n / area, p = n % area;
    int row = p / s.w + s.py - tap / s.kw * s.dy, column = p % s.w + s.px - tap % s.kw * s.dx;
    if (row < 0 || column < 0 || row % s.sy || column % s.sx) return 0.0f;
    row /= s.sy, column /= s.sx;
    if (row >= s.oh || column >= s.ow) return 0.0f;
    return g[((image * s.outputs + channel) * s.oh + row) * s.ow + column];
}

template <class P>
__device__ __forceinline__ void conv_fwd(const P& product, float* shared, const float* x, const float* w,
                                         const float* bias, const float* summand, float* y, const int* sizes) {
    ConvSizes s = load(sizes);
    int ins = s.inputs / s.groups, outs = s.outputs / s.groups, taps = s.kh * s.kw, group = blockIdx.z;
    auto a = [=](int o, int k) { return w[(group * outs + o) * ins * taps + k]; };
    auto b = [=](int k, int n) { return seen(x, s, group * ins + k / taps, n, k % taps); };
    auto c = [=](int o, int n, float v) {
        int area = s.oh * s.ow, channel = group * outs + o, at = (n / area * s.outputs + channel) * area + n % area;
        if (bias) v += bias[channel];
        if (summand) v += summand[at];
        y[at] = v;
    };
    product(shared, a, b, c, outs, s.images * s.oh * s.ow, 0, ins * taps);
}

template <class P>
__device__ __forceinline__ void conv_input(const P& product, float* shared, const float* g, const float* w, float* dx,
                                           int add, const int* sizes) {
    ConvSizes s = load(sizes);
    int ins = s.inputs / s.groups, outs = s.outputs / s.groups, taps = s.kh * s.kw, group = blockIdx.z;
    auto a = [=](int i, int k) { return w[((group * outs + k / taps) * ins + i) * taps + k % taps]; };
    auto b = [=](int k, int n) { return seeing(g, s, group * outs + k / taps, n, k % taps); };
    auto c = [=](int i, int n, float v) {
        int area = s.h * s.w;
        put(dx + (n / area * s.inputs + group * ins + i) * area + n % area, v, add);
    };
    product(shared, a, b, c, ins, s.images * s.h * s.w, 0, outs * taps);
}

// dw (chunks, then as the weights).
template <class P>
__device__ __forceinline__ void conv_weights(const P& product, float* shared, const float* g, const float* x, float* dw,
                                             int add, const int* sizes, int chunk) {
    ConvSizes s = load(sizes);
    int ins = s.inputs / s.groups, outs = s.outputs / s.groups, taps = s.kh * s.kw, area = s.oh * s.ow;
    int group = blockIdx.z % s.groups, start = blockIdx.z / s.groups * chunk;
    float* to = dw + (blockIdx.z / s.groups * s.outputs + group * outs) * ins * taps;
    auto a = [=](int o, int n) { return g[(n / area * s.outputs + group * outs + o) * area + n % area]; };
    auto b = [=](int n, int k) { return seen(x, s, group * ins + k / taps, n, k % taps); };
    auto c = [=](int o, int k, float v) { put(to + o * ins * taps + k, v, add); };
    product(shared, a, b, c, outs, ins * taps, start, min(start + chunk, s.images * area));
}

// In plain f32, and on tensor cores.

KERNEL(TILE_THREADS)
conv_fwd_f32(const float* x, const float* w, const float* bias, const float* summand, float* y, const int* sizes) {
    DYN_SMEM(float, shared);
    conv_fwd(Plain(), shared, x, w, bias, summand, y, sizes);
}

KERNEL(TILE_THREADS)
conv_fwd_tf32(const float* x, const float* w, const float* bias, const float* summand, float* y, const int* sizes,
              int exact) {
    DYN_SMEM(float, shared);
    conv_fwd(Tensor{exact}, shared, x, w, bias, summand, y, sizes);
}

KERNEL(TILE_THREADS) conv_input_f32(const float* g, const float* w, float* dx, int add, const int* sizes) {
    DYN_SMEM(float, shared);
    conv_input(Plain(), shared, g, w, dx, add, sizes);
}

KERNEL(TILE_THREADS) conv_input_tf32(const float* g, const float* w, float* dx, int add, const int* sizes, int exact) {
    DYN_SMEM(float, shared);
    conv_input(Tensor{exact}, shared, g, w, dx, add, sizes);
}

KERNEL(TILE_THREADS) conv_weights_f32(const float* g, const float* x, float* dw, int add, const int* sizes, int chunk) {
    DYN_SMEM(float, shared);
    conv_weights(Plain(), shared, g, x, dw, add, sizes, chunk);
}

KERNEL(TILE_THREADS)
conv_weights_tf32(const float* g, const float* x, float* dw, int add, const int* sizes, int chunk, int exact) {
    DYN_SMEM(float, shared);
    conv_weights(Tensor{exact}, shared, g, x, dw, add, sizes, chunk);
}
