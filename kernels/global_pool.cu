// Mean of the top left `rows`×`columns` of each plane; backward: its share to each of these, 0 to the others.
// Layout: x (planes,h,w), y (planes). Launch: forward one warp a plane, backward one thread a value.
#include "common.cuh"

KERNEL(THREADS) global_pool_fwd_f32(const float* x, float* y, int planes, int h, int w, int rows, int columns) {
    int plane = index() / 32, lane = threadIdx.x % 32;
    if (plane >= planes) return;
    float sum = 0.0f;
    for (int i = lane; i < rows * columns; i += 32) sum += x[(plane * h + i / columns) * w + i % columns];
    sum = warp_sum(sum);
    if (lane == 0) y[plane] = sum / float(rows * columns);
}

KERNEL(THREADS) global_pool_bwd_f32(const float* g, float* dx, int add, int h, int w, int rows, int columns, int n) {
    int i = index();
    if (i >= n) return;
    bool inside = i / w % h < rows && i % w < columns;
    put(dx + i, inside ? g[i / (h * w)] / float(rows * columns) : 0.0f, add);
}
