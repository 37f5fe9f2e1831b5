// out[i,j] = x[i·sy + oy, j·sx + ox], 0 beyond the edge; dx gathers the one output that reads it, else 0.
// Layout: x (planes,h,w), out (planes,oh,ow). Launch: one thread a value that is written.
#include "common.cuh"

KERNEL(THREADS)
subsample_fwd_f32(const float* x, float* y, int h, int w, int oh, int ow, int sy, int sx, int oy, int ox, int n) {
    int i = index();
    if (i >= n) return;
    int plane = i / (oh * ow), row = i / ow % oh * sy + oy, column = i % ow * sx + ox;
    y[i] = row < h && column < w ? x[(plane * h + row) * w + column] : 0.0f;
}

KERNEL(THREADS)
subsample_bwd_f32(const float* g, float* dx, int add, int h, int w, int oh, int ow, int sy, int sx, int oy, int ox,
                  int n) {
    int i = index();
    if (i >= n) return;
    int plane = i / (h * w), row = i / w % h - oy, column = i % w - ox;
    bool read = row >= 0 && column >= 0 && row % sy == 0 && column % sx == 0;
    put(dx + i, read ? g[(plane * oh + row / sy) * ow + column / sx] : 0.0f, add);
}
