// The tensor core's product of fragments, d += a b for a 16×8 matrix a and an 8×8 matrix b over a warp: mma.sync.m16n8k8 in TF32
// (PTX ISA 9.0, §9.7.14, "Matrix fragments for mma.m16n8k8"). The shim has its own form, by the same fragments.
//
// With g = lane / 4 and t = lane mod 4 a lane holds a[g][t], a[g + 8][t], a[g][t + 4], a[g + 8][t + 4]; b[t][g], b[t + 4][g];
// d[g][2t], d[g][2t + 1], d[g + 8][2t], d[g + 8][2t + 1].
#pragma once
#include "common.cuh"

#ifdef __CUDACC__
// Rounded to the 10 bits of mantissa that TF32 has, to nearest.
__device__ __forceinline__ float to_tf32(float v) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(v));
    return __uint_as_float(bits);
}

__device__ __forceinline__ void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#endif

// A value as the sum of two in TF32, 21 bits of mantissa in all.
template <int N>
__device__ __forceinline__ void split(const float (&v)[N], float (&high)[N], float (&low)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) {
        high[i] = to_tf32(v[i]);
        low[i] = to_tf32(v[i] - high[i]);
    }
}
