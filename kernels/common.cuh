// What every kernel uses: how kernels are declared, sums over a warp and a block in a fixed order, indices. No host headers.
#pragma once

// A kernel that is launched with at most `threads` threads a block. Its name is its symbol.
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)

#ifdef __CUDACC__
// Dynamic shared memory as an array of `type`.
#define DYN_SMEM(type, name)                                       \
    extern __shared__ __align__(16) unsigned char shared_bytes_[]; \
    type* name = reinterpret_cast<type*>(shared_bytes_)
#endif

// Less than any number; not a header's macro, so that kernels need no header.
#define LOWEST __int_as_float(0xff800000)

#define FULL_WARP 0xffffffffu

// Threads of the blocks of all kernels that do not say otherwise: a multiple of 32.
#define THREADS 256

// The thread's place among all threads of a grid along x.
__device__ __forceinline__ int index() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Puts or adds a value: `add` as in a gradient's sink.
__device__ __forceinline__ void put(float* at, float value, int add) { *at = add ? *at + value : value; }

// max(v, 0) where `relu` is set; NaN stays NaN.
__device__ __forceinline__ float rectified(float v, int relu) { return relu && v < 0.0f ? 0.0f : v; }

// The sum over a warp, in every lane; all 32 lanes must be live.
template <class T>
__device__ __forceinline__ T warp_sum(T v) {
    for (int bits = 16; bits > 0; bits >>= 1) v += __shfl_xor_sync(FULL_WARP, v, bits);
    return v;
}

// The sum over a block of at most 1024 threads, a multiple of 32, in every thread. `partials` is shared memory of 32 values;
// it may be used again after the next barrier.
template <class T>
__device__ __forceinline__ T block_sum(T v, T* partials) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    v = warp_sum(v);
    __syncthreads();
    if (lane == 0) partials[warp] = v;
    __syncthreads();
    T sum = partials[0];
    for (int i = 1; i < warps; i++) sum += partials[i];
    return sum;
}
