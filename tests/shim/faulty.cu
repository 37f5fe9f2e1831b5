// Kernels that are wrong on purpose, one fault each: the shim must report every one of them (tests/it/kernels/faults.rs).
#include "common.cuh"

// Right: the neighbour's value by way of shared memory.
KERNEL(64) right(const float* x, float* y, int n) {
    DYN_SMEM(float, kept);
    int i = threadIdx.x;
    if (i < n) kept[i] = x[i];
    __syncthreads();
    if (i < n) y[i] = kept[(i + 1) % n];
}

// The same without its barrier.
KERNEL(64) missing_barrier(const float* x, float* y, int n) {
    DYN_SMEM(float, kept);
    int i = threadIdx.x;
    if (i < n) kept[i] = x[i];
    if (i < n) y[i] = kept[(i + 1) % n];
}

// The same with a barrier that not all threads reach.
KERNEL(64) divergent_barrier(const float* x, float* y, int n) {
    DYN_SMEM(float, kept);
    int i = threadIdx.x;
    if (i < n) kept[i] = x[i];
    if (i % 32 < 16)
        __syncthreads();
    else
        __syncwarp(FULL_WARP);
    if (i < n) y[i] = kept[i];
}

// Every thread adds to one word: no order of threads shows it, each would be lucky.
KERNEL(64) race(const float* x, float* y, int n) {
    __shared__ float sum;
    if (threadIdx.x == 0) sum = 0.0f;
    __syncthreads();
    int i = threadIdx.x;
    if (i < n) sum += x[i];
    __syncthreads();
    if (threadIdx.x == 0) y[0] = sum;
}

// Blocks hand a value on through memory.
KERNEL(64) race_of_blocks(const float* x, float* y, int n) {
    if (threadIdx.x == 0) y[0] = x[blockIdx.x % n];
}

KERNEL(64) write_beyond(const float* x, float* y, int n) {
    int i = threadIdx.x;
    if (i <= n) y[i] = x[min(i, n - 1)];
}

KERNEL(64) read_before(const float* x, float* y, int n) {
    int i = threadIdx.x;
    if (i < n) y[i] = x[i - 1];
}

// Half of the warp has left the branch that the mask names.
KERNEL(64) wrong_mask(const float* x, float* y, int n) {
    int i = threadIdx.x;
    float v = i < n ? x[i] : 0.0f;
    if (i % 32 >= 16) return;
    v += __shfl_xor_sync(FULL_WARP, v, 1);
    if (i < n) y[i] = v;
}

KERNEL(64) uninitialised_shared(const float* x, float* y, int n) {
    __shared__ float kept[64];
    int i = threadIdx.x;
    if (i < n / 2) kept[i] = x[i];
    __syncthreads();
    if (i < n) y[i] = kept[i];
}

KERNEL(64) misaligned_vector(const float* x, float* y, int n) {
    if (threadIdx.x == 0 && n > 4) {
        float4 v = *reinterpret_cast<const float4*>(x + 1);
        y[0] = v.x + v.w;
    }
}

KERNEL(64) write_to_input(const float* x, float* y, int n) {
    int i = threadIdx.x;
    if (i < n) const_cast<float*>(x)[i] = 0.0f;
}
