// y = a + b + c + d, from the first to the last; c and d may be absent. Backward: g goes to each summand.
// Layout: flat arrays of n values. Launch: one thread a value. More than four summands: launches that go on from y.
// Traffic: (terms + 1)n words forward, (1 + sinks)n backward.
#include "common.cuh"

KERNEL(THREADS) add_fwd_f32(const float* a, const float* b, const float* c, const float* d, float* y, int add, int n) {
    int i = index();
    if (i >= n) return;
    float sum = add ? y[i] + a[i] : a[i];
    if (b) sum += b[i];
    if (c) sum += c[i];
    if (d) sum += d[i];
    y[i] = sum;
}

KERNEL(THREADS)
add_bwd_f32(const float* g, float* a, int add_a, float* b, int add_b, float* c, int add_c, float* d, int add_d, int n) {
    int i = index();
    if (i >= n) return;
    float v = g[i];
    if (a) put(a + i, v, add_a);
    if (b) put(b + i, v, add_b);
    if (c) put(c + i, v, add_c);
    if (d) put(d + i, v, add_d);
}
