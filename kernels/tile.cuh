// One tile of a matrix product, its operands given by functions of their indices: what dense products, 1×1 and general
// convolutions and their gradients have in common. In plain f32, and on tensor cores.
//
// A product gives c(m, n, sum of a(m, k) b(k, n) over k from k_start to k_end) for the tile that blockIdx.y (rows) and blockIdx.x
// (columns) name, in blocks of TILE_THREADS. Sizes of tiles and words of shared memory: `Product` of src/ops/launch/tile.rs.
#pragma once
#include "common.cuh"
#include "mma.cuh"

#define TILE_THREADS 128
#define TILE_K 16

// Each thread has 4×4 sums of a tile of 32×64, its columns 16 apart so that neighbours write to neighbours.
struct Plain {
    static const int ROWS = 32, COLUMNS = 64;

    template <class A, class B, class C>
    __device__ __forceinline__ void operator()(float* shared, const A& a, const B& b, const C& c, int rows, int columns,
                                               int k_start, int k_end) const {
        float* as = shared;                        // [TILE_K][ROWS + 1]
        float* bs = shared + TILE_K * (ROWS + 1);  // [TILE_K][COLUMNS]
        int m0 = blockIdx.y * ROWS, n0 = blockIdx.x * COLUMNS;
        int tm = threadIdx.x / 16 * 4, tn = threadIdx.x % 16;
        float sums[4][4] = {};
        for (int k0 = k_start; k0 < k_end; k0 += TILE_K) {
            for (int i = threadIdx.x; i < ROWS * TILE_K; i += TILE_THREADS) {
                int m = i / TILE_K, k = i % TILE_K;
                as[k * (ROWS + 1) + m] = m0 + m < rows && k0 + k < k_end ? a(m0 + m, k0 + k) : 0.0f;
            }
            for (int i = threadIdx.x; i < TILE_K * COLUMNS; i += TILE_THREADS) {
                int k = i / COLUMNS, n = i % COLUMNS;
                bs[i] = n0 + n < columns && k0 + k < k_end ? b(k0 + k, n0 + n) : 0.0f;
            }
            __syncthreads();
#pragma unroll
            for (int k = 0; k < TILE_K; k++) {
                float row[4], column[4];
#pragma unroll
                for (int i = 0; i < 4; i++)
                    row[i] = as[k * (ROWS + 1) + tm + i], column[i] = bs[k * COLUMNS + tn + 16 * i];
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
};

// A tile of 64×64, a quarter of 32×32 by each of four warps, in fragments of 16×8. TF32 rounds operands to 10 bits; with `exact`
// each is the sum of two such values and three products are added (the fourth is below f32's last bit): f32's accuracy at a
// third of the speed (Ootomo and Yokota, "Recovering single precision accuracy from Tensor Cores", 2022, without their scaling).
// Strides of shared memory are such that a warp's reads of fragments meet 32 banks.
struct Tensor {
    static const int ROWS = 64, COLUMNS = 64, A_STRIDE = TILE_K + 4, B_STRIDE = COLUMNS + 8;
    int exact;

    template <class A, class B, class C>
    __device__ __forceinline__ void operator()(float* shared, const A& a, const B& b, const C& c, int rows, int columns,
                                               int k_start, int k_end) const {
        float* as = shared;                    // [ROWS][A_STRIDE]
        float* bs = shared + ROWS * A_STRIDE;  // [TILE_K][B_STRIDE]
        int m0 = blockIdx.y * ROWS, n0 = blockIdx.x * COLUMNS, warp = threadIdx.x / 32;
        int group = threadIdx.x % 32 / 4, place = threadIdx.x % 4, wm = warp / 2 * 32, wn = warp % 2 * 32;
        float sums[2][4][4] = {};
        for (int k0 = k_start; k0 < k_end; k0 += TILE_K) {
            for (int i = threadIdx.x; i < ROWS * TILE_K; i += TILE_THREADS) {
                int m = i / TILE_K, k = i % TILE_K;
                as[m * A_STRIDE + k] = m0 + m < rows && k0 + k < k_end ? a(m0 + m, k0 + k) : 0.0f;
            }
            for (int i = threadIdx.x; i < TILE_K * COLUMNS; i += TILE_THREADS) {
                int k = i / COLUMNS, n = i % COLUMNS;
                bs[k * B_STRIDE + n] = n0 + n < columns && k0 + k < k_end ? b(k0 + k, n0 + n) : 0.0f;
            }
            __syncthreads();
#pragma unroll
            for (int k = 0; k < TILE_K; k += 8) {
                float high_b[4][2], low_b[4][2];
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    const float* from = bs + (k + place) * B_STRIDE + wn + 8 * j + group;
                    float values[2] = {from[0], from[4 * B_STRIDE]};
                    split(values, high_b[j], low_b[j]);
                }
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    const float* from = as + (wm + 16 * i + group) * A_STRIDE + k + place;
                    float values[4] = {from[0], from[8 * A_STRIDE], from[4], from[8 * A_STRIDE + 4]};
                    float high[4], low[4];
                    split(values, high, low);
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        if (exact) {
                            mma_tf32(sums[i][j], low, high_b[j]);
                            mma_tf32(sums[i][j], high, low_b[j]);
                        }
                        mma_tf32(sums[i][j], high, high_b[j]);
                    }
                }
            }
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
                for (int v = 0; v < 4; v++) {
                    int m = m0 + wm + 16 * i + group + v / 2 * 8, n = n0 + wn + 8 * j + 2 * place + v % 2;
                    if (m < rows && n < columns) c(m, n, sums[i][j][v]);
                }
    }
};
