// One tile of a matrix product, its operands given by functions of their indices: what dense products, 1×1 and general
// convolutions and their gradients have in common. Plain f32; the tile that a tensor core wants is another routine.
#pragma once
#include "common.cuh"

#define TILE_M 32
#define TILE_N 64
#define TILE_K 16
#define TILE_THREADS 128
// Words of dynamic shared memory that a tile needs; `TILE_WORDS` of src/ops/launch/tile.rs.
#define TILE_WORDS (TILE_K * (TILE_M + 1) + TILE_K * TILE_N)

// c(m, n, sum of a(m, k) b(k, n) over k from k_start to k_end) for the tile that blockIdx.y (rows) and blockIdx.x (columns)
// name, in blocks of TILE_THREADS. Each thread has 4×4 sums, its columns 16 apart so that neighbours write to neighbours.
template <class A, class B, class C>
__device__ __forceinline__ void tile_product(float* shared, const A& a, const B& b, const C& c, int rows, int columns,
                                             int k_start, int k_end) {
    float* as = shared;                          // [TILE_K][TILE_M + 1]
    float* bs = shared + TILE_K * (TILE_M + 1);  // [TILE_K][TILE_N]
    int m0 = blockIdx.y * TILE_M, n0 = blockIdx.x * TILE_N;
    int tm = threadIdx.x / 16 * 4, tn = threadIdx.x % 16;
    float sums[4][4] = {};
    for (int k0 = k_start; k0 < k_end; k0 += TILE_K) {
        for (int i = threadIdx.x; i < TILE_M * TILE_K; i += TILE_THREADS) {
            int m = i / TILE_K, k = i % TILE_K;
            as[k * (TILE_M + 1) + m] = m0 + m < rows && k0 + k < k_end ? a(m0 + m, k0 + k) : 0.0f;
        }
        for (int i = threadIdx.x; i < TILE_K * TILE_N; i += TILE_THREADS) {
            int k = i / TILE_N, n = i % TILE_N;
            bs[i] = n0 + n < columns && k0 + k < k_end ? b(k0 + k, n0 + n) : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < TILE_K; k++) {
            float row[4], column[4];
#pragma unroll
            for (int i = 0; i < 4; i++)
                row[i] = as[k * (TILE_M + 1) + tm + i], column[i] = bs[k * TILE_N + tn + 16 * i];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sums[i][j] += row[i] * column[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (m0 + tm + i < rows && n0 + tn + 16 * j < columns) c(m0 + tm + i, n0 + tn + 16 * j, sums[i][j]);
}
