// Arrays side by side: row r of y holds row r of each input, one after the other; and the way back.
// Layout: input k (rows, run_k); y (rows, sum). A launch takes up to four inputs; they begin at column `at` of y.
// Launch: one thread a value of these inputs. Traffic: every value read and written once.
#include "common.cuh"

// The input (0 to 3) that holds column `column`, which becomes the column there; `run` becomes its length.
__device__ __forceinline__ int part_of(int& column, int& run, int r0, int r1, int r2, int r3) {
    run = r0;
    if (column < r0) return 0;
    column -= r0, run = r1;
    if (column < r1) return 1;
    column -= r1, run = r2;
    if (column < r2) return 2;
    column -= r2, run = r3;
    return 3;
}

KERNEL(THREADS)
concat_fwd_f32(const float* a, const float* b, const float* c, const float* d, int r0, int r1, int r2, int r3, float* y,
               int sum, int at, int n) {
    int i = index();
    if (i >= n) return;
    int together = r0 + r1 + r2 + r3, row = i / together, column = i % together, run;
    float* to = y + row * sum + at + column;
    int part = part_of(column, run, r0, r1, r2, r3);
    const float* from = part == 0 ? a : part == 1 ? b : part == 2 ? c : d;
    *to = from[row * run + column];
}

KERNEL(THREADS)
concat_bwd_f32(const float* g, int sum, int at, float* a, int add_a, float* b, int add_b, float* c, int add_c, float* d,
               int add_d, int r0, int r1, int r2, int r3, int n) {
    int i = index();
    if (i >= n) return;
    int together = r0 + r1 + r2 + r3, row = i / together, column = i % together, run;
    float v = g[row * sum + at + column];
    int part = part_of(column, run, r0, r1, r2, r3);
    float* to = part == 0 ? a : part == 1 ? b : part == 2 ? c : d;
    int add = part == 0 ? add_a : part == 1 ? add_b : part == 2 ? add_c : add_d;
    if (to) put(to + row * run + column, v, add);
}
