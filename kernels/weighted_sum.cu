// y = array[ia] a + array[ib] b + array[ic] c + array[id] d, from the first to the last; terms from the second on may be absent.
// Backward: each term's gradient is its weight times g, each weight's is the sum of term times g, in two stages.
// Layout: flat arrays of n values. Launch: forward one thread a value, backward blocks of `chunk` values; more than four terms: launches
// that go on from y. Traffic: (terms + 1)n words forward, (2 terms + 1)n backward.
#include "common.cuh"

KERNEL(THREADS)
weighted_sum_fwd_f32(const float* a, const float* b, const float* c, const float* d, const float* array, int ia, int ib,
                     int ic, int id, float* y, int add, int n) {
    int i = index();
    if (i >= n) return;
    float sum = array[ia] * a[i];
    if (add) sum += y[i];
    if (b) sum += array[ib] * b[i];
    if (c) sum += array[ic] * c[i];
    if (d) sum += array[id] * d[i];
    y[i] = sum;
}

// partials (4, blocks), absent where nobody asks.
KERNEL(THREADS)
weighted_sum_bwd_f32(const float* g, const float* a, const float* b, const float* c, const float* d, const float* array,
                     int ia, int ib, int ic, int id, float* da, int add_a, float* db, int add_b, float* dc, int add_c,
                     float* dd, int add_d, float* partials, int chunk, int n) {
    DYN_SMEM(float, shared);
    const float* terms[4] = {a, b, c, d};
    float* sinks[4] = {da, db, dc, dd};
    int places[4] = {ia, ib, ic, id}, adds[4] = {add_a, add_b, add_c, add_d};
    int start = blockIdx.x * chunk, end = min(start + chunk, n);
#pragma unroll
    for (int term = 0; term < 4; term++) {
        float weight = terms[term] ? array[places[term]] : 0.0f, sum = 0.0f;
        for (int i = start + threadIdx.x; terms[term] && i < end; i += blockDim.x) {
            float v = g[i];
            if (partials) sum += v * terms[term][i];
            if (sinks[term]) put(sinks[term] + i, weight * v, adds[term]);
        }
        if (!partials) continue;
        sum = block_sum(sum, shared);
        if (threadIdx.x == 0) partials[term * gridDim.x + blockIdx.x] = sum;
    }
}

// array[places[term]] += sum of the term's partials, term by term; one warp.
KERNEL(32) weighted_sum_totals_f32(const float* partials, float* array, const int* places, int terms, int blocks) {
    for (int term = 0; term < terms; term++) {
        float sum = 0.0f;
        for (int i = threadIdx.x; i < blocks; i += 32) sum += partials[term * blocks + i];
        sum = warp_sum(sum);
        if (threadIdx.x == 0) array[places[term]] += sum;
    }
}
