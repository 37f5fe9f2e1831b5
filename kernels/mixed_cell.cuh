// What the kernels of a mixed cell share: tables, views, the norm on the fly. Formulas and launches: mixed_cell_fwd.cu and
// mixed_cell_bwd.cu; tables: src/ops/mixed_cell/cuda.rs.
//
// Words. c: channels that the primitives see, of C = c · factor. A tensor before a norm is a *block* (N,c,oh,ow) of one array z;
// block b begins at b · N · c · oh · ow. Of each norm: mean (c), then 1/sqrt(variance + eps) (c). A *tile* is a run of positions
// (image, then place in the plane) over which one thread block works; partial sums have one entry per tile or chunk.
#pragma once
#include "common.cuh"

// A state and the cell around it, in the order of the table.
struct State {
    int images, channels, c, factor;
    int h, w, oh, ow;           // planes of the state and of nodes
    int sy, sx, stride, edges;  // strides of primitives; words between the state's images; edges of the cell
    int weights, tile, one_d, nodes;
};

__device__ __forceinline__ State load_state(const int* t) {
    return {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15]};
}

// One convolution of one edge.
struct Row {
    int deep, point;  // weights in theta; deep is -1 for FactorizedReduce
    int kh, kw, dy, dx, py, px;
    int norm, input_norm;  // of the result; of the input, -1 where that is the state itself
    int input, output;     // blocks; input -1 as above
    int edge, primitive;   // primitive -1: the result feeds a second convolution
    int node, hidden;      // node that the edge enters; block of the gradient of what lies between two convolutions
    int lines;             // block of the gradient of the depthwise lines; FactorizedReduce has the next one too
};
#define ROW 17

__device__ __forceinline__ Row load_row(const int* t) {
    return {t[0], t[1],  t[2],  t[3],  t[4],  t[5],  t[6],  t[7], t[8],
            t[9], t[10], t[11], t[12], t[13], t[14], t[15], t[16]};
}

// A value before a norm, normalised.
__device__ __forceinline__ float normal(float v, const float* norms, int norm, int c, int channel) {
    const float* of = norms + 2 * norm * c;
    return (v - of[channel]) * of[c + channel];
}

// What a convolution sees: relu of the state, or relu of a normalised tensor; 0 beyond the border.
struct Seen {
    const float *x, *norms;
    int stride, h, w, c, norm;

    __device__ __forceinline__ float operator()(int image, int channel, int row, int column) const {
        if (row < 0 || row >= h || column < 0 || column >= w) return 0.0f;
        float v = x[image * stride + (channel * h + row) * w + column];
        return rectified(norm < 0 ? v : normal(v, norms, norm, c, channel), 1);
    }
};

__device__ __forceinline__ Seen input_of(const State& s, const Row& r, const float* x0, const float* x1, const float* z,
                                         const float* norms) {
    int plane = s.oh * s.ow;
    if (r.input < 0) return {r.input == -1 ? x0 : x1, norms, s.stride, s.h, s.w, s.c, -1};
    return {z + r.input * s.images * s.c * plane, norms, s.c * plane, s.oh, s.ow, s.c, r.input_norm};
}

// Strides of a row: those of the state, or 1 between two convolutions.
__device__ __forceinline__ int down_of(const State& s, const Row& r) { return r.input < 0 ? s.sy : 1; }
__device__ __forceinline__ int across_of(const State& s, const Row& r) { return r.input < 0 ? s.sx : 1; }

// Depthwise results that the 1×1 mixes, at one place. FactorizedReduce has two lines per channel: for the first half of its
// outputs the plain positions, for the second those shifted by one (in two dimensions).
__device__ __forceinline__ float deep_at(const State& s, const Row& r, const Seen& seen, const float* theta, int line,
                                         int image, int row, int column) {
    if (r.deep < 0) {
        int shift = line >= s.c && !s.one_d;
        return seen(image, line % s.c, row * s.sy + (s.one_d ? 0 : shift), column * s.sx + shift);
    }
    const float* w = theta + r.deep + line * r.kh * r.kw;
    int top = row * down_of(s, r) - r.py, left = column * across_of(s, r) - r.px;
    float sum = 0.0f;
    for (int a = 0; a < r.kh; a++)
        for (int b = 0; b < r.kw; b++) sum += w[a * r.kw + b] * seen(image, line, top + a * r.dy, left + b * r.dx);
    return sum;
}

__device__ __forceinline__ int lines_of(const State& s, const Row& r) { return r.deep < 0 ? 2 * s.c : s.c; }

// The line from which output `o` of the 1×1 takes channel `i`.
__device__ __forceinline__ int line_of(const State& s, const Row& r, int o, int i) {
    return r.deep < 0 && o >= s.c / 2 ? s.c + i : i;
}

// An edge that enters a node: edge, state, block of each primitive's result, its norm; block -1 is the state itself. States are x0, x1
// (from outside), then the nodes in the output.
#define ENTERING 16

// Largest value of the 2×2 (1×2) window of a plane, and where it lies: how channels pass by where the stride is 2.
__device__ __forceinline__ float halved(const float* from, const State& s, int h, int w, int row, int column,
                                        int& place) {
    float largest = LOWEST;
    place = -1;
    for (int a = row * s.sy; a < min((row + 1) * s.sy, h); a++) {
        for (int b = column * s.sx; b < min((column + 1) * s.sx, w); b++) {
            float v = from[a * w + b];
            if (v > largest || v != v || place < 0) largest = v, place = a * w + b;
        }
    }
    return largest;
}

// Mean and sum of squares about it of each channel's values in a tile, values in shared memory [c][tile]: one warp a channel.
// `to` has two words per channel, `step` apart.
__device__ __forceinline__ void tile_moments(const float* values, int c, int tile, int count, float* to, int step) {
    int lane = threadIdx.x % 32;
    for (int channel = threadIdx.x / 32; channel < c; channel += blockDim.x / 32) {
        const float* v = values + channel * tile;
        float sum = 0.0f, squares = 0.0f;
        for (int i = lane; i < count; i += 32) sum += v[i];
        float mean = warp_sum(sum) / float(count);
        for (int i = lane; i < count; i += 32) squares += (v[i] - mean) * (v[i] - mean);
        squares = warp_sum(squares);
        if (lane == 0) to[channel * step] = mean, to[channel * step + 1] = squares;
    }
}
