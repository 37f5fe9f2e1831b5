// Max and average pools of windows. Max: the first of equal values in row order, and what is not a number beats all; `places`
// (where in its plane each maximum lies) is kept for the backward pass. Backward passes gather, so that no two threads write
// to one word: each input value looks at the windows that cover it.
// Layout: x (planes,h,w), y (planes,oh,ow). Launch: one thread a value that is written.
#include "common.cuh"

// Positions of an axis that window `at` covers, clipped.
__device__ __forceinline__ void range(int at, int stride, int pad, int kernel, int size, int& start, int& end) {
    start = max(at * stride - pad, 0);
    end = min(at * stride - pad + kernel, size);
}

// Windows that cover position `at` of an axis.
__device__ __forceinline__ void covering(int at, int stride, int pad, int kernel, int outputs, int& first, int& end) {
    int below = at + pad - kernel + 1;
    first = below <= 0 ? 0 : (below + stride - 1) / stride;
    end = min((at + pad) / stride + 1, outputs);
}

// Values that a window counts: with `padded` the padding too, but not what hangs over behind it.
__device__ __forceinline__ int counted(int at, int stride, int pad, int kernel, int size, int padded) {
    if (padded) return min(at * stride + kernel, size + 2 * pad) - at * stride;
    int start, end;
    range(at, stride, pad, kernel, size, start, end);
    return end - start;
}

KERNEL(THREADS)
max_pool_fwd_f32(const float* x, float* y, int* places, int h, int w, int oh, int ow, int kh, int kw, int sy, int sx,
                 int py, int px, int n) {
    int i = index();
    if (i >= n) return;
    int plane = i / (oh * ow), top, bottom, left, right;
    range(i / ow % oh, sy, py, kh, h, top, bottom);
    range(i % ow, sx, px, kw, w, left, right);
    float largest = LOWEST;
    int place = top * w + left;
    for (int row = top; row < bottom; row++) {
        for (int column = left; column < right; column++) {
            float v = x[(plane * h + row) * w + column];
            if (v > largest || v != v) largest = v, place = row * w + column;
        }
    }
    y[i] = largest;
    places[i] = place;
}

KERNEL(THREADS)
max_pool_bwd_f32(const float* g, const int* places, float* dx, int add, int h, int w, int oh, int ow, int kh, int kw,
                 int sy, int sx, int py, int px, int n) {
    int i = index();
    if (i >= n) return;
    int plane = i / (h * w), top, bottom, left, right;
    covering(i / w % h, sy, py, kh, oh, top, bottom);
    covering(i % w, sx, px, kw, ow, left, right);
    float sum = 0.0f;
    for (int row = top; row < bottom; row++) {
        for (int column = left; column < right; column++) {
            int from = (plane * oh + row) * ow + column;
            if (places[from] == i % (h * w)) sum += g[from];
        }
    }
    put(dx + i, sum, add);
}

KERNEL(THREADS)
average_pool_fwd_f32(const float* x, float* y, int h, int w, int oh, int ow, int kh, int kw, int sy, int sx, int py,
                     int px, int padded, int n) {
    int i = index();
    if (i >= n) return;
    int plane = i / (oh * ow), top, bottom, left, right;
    range(i / ow % oh, sy, py, kh, h, top, bottom);
    range(i % ow, sx, px, kw, w, left, right);
    float sum = 0.0f;
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++) sum += x[(plane * h + row) * w + column];
    y[i] = sum / float(counted(i / ow % oh, sy, py, kh, h, padded) * counted(i % ow, sx, px, kw, w, padded));
}

KERNEL(THREADS)
average_pool_bwd_f32(const float* g, float* dx, int add, int h, int w, int oh, int ow, int kh, int kw, int sy, int sx,
                     int py, int px, int padded, int n) {
    int i = index();
    if (i >= n) return;
    int plane = i / (h * w), top, bottom, left, right;
    covering(i / w % h, sy, py, kh, oh, top, bottom);
    covering(i % w, sx, px, kw, ow, left, right);
    float sum = 0.0f;
    for (int row = top; row < bottom; row++) {
        for (int column = left; column < right; column++) {
            int count = counted(row, sy, py, kh, h, padded) * counted(column, sx, px, kw, w, padded);
            sum += g[(plane * oh + row) * ow + column] / float(count);
        }
    }
    put(dx + i, sum, add);
}
