// CUDA C++ for a host compiler: what kernels may use of the language, mapped to `runtime.h`. Knows no fiber and no check.
// Kernels are compiled with this in front of them; nvcc never sees it.
#pragma once
#include "runtime.h"
#include <bit>
#include <cmath>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __constant__ static const
#define __launch_bounds__(...)
// All static shared variables stand in one section, so that the runtime can poison it before each block. Blocks run one
// after the other, one launch at a time.
#define __shared__ static __attribute__((section("shim_shared")))
// `extern __shared__` cannot be had: kernels take dynamic shared memory by this macro (kernels/common.cuh has CUDA's form).
#define DYN_SMEM(type, name) type* name = reinterpret_cast<type*>(shim::dynamic_shared())

#define threadIdx (shim::thread_index())
#define blockIdx (shim::block_index())
#define blockDim (shim::block_size())
#define gridDim (shim::grid_size())

#define __syncthreads() shim::wait_for_block(__FILE__, __LINE__)
#define __syncwarp(mask) shim::wait_for_warp(mask, 0, __FILE__, __LINE__)
#define __shfl_sync(mask, value, lane) shim::shuffle(mask, value, (lane) & 31, __FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, bits) shim::shuffle(mask, value, shim::lane() ^ (bits), __FILE__, __LINE__)
#define __shfl_down_sync(mask, value, by) shim::shuffle(mask, value, shim::down(by), __FILE__, __LINE__)
#define __shfl_up_sync(mask, value, by) shim::shuffle(mask, value, shim::up(by), __FILE__, __LINE__)

// What kernels/mma.cuh has as instructions.
static inline float to_tf32(float v) {
    unsigned bits = std::bit_cast<unsigned>(v);
    // to nearest, halves away from zero; what is not finite stays
    return (bits & 0x7f800000) == 0x7f800000 ? v : std::bit_cast<float>((bits + 0x1000) & 0xffffe000);
}
#define mma_tf32(d, a, b) shim::mma(d, a, b, __FILE__, __LINE__)

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((uint64_t{a} * b) >> 32); }
static inline float __int_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
static inline double __hiloint2double(unsigned high, unsigned low) {
    return std::bit_cast<double>(uint64_t{high} << 32 | low);
}
template <class T>
static inline T __ldg(const T* p) {
    return *p;
}

// The order of atomics is that of threads and blocks, which the runtime permutes.
template <class T>
static inline T atomicAdd(T* at, T value) {
    return shim::atomic_add(at, value);
}
