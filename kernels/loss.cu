// Losses of a network's output, value and gradient in one pass; parts of the value are added in order by loss_total_f32.
// Cross entropy of z (rows,k), one warp a row: -sum of q log softmax(z), q = 1 - smoothing + smoothing/k for the right class.
// Binary cross entropy and squares of z (n), one thread a value: relu(z) - z y + log(1 + exp(-|z|)); (z - y)².
// Relative l2 of z (rows,size), one block a row: |z - y| / |y|.
// Traffic: z and targets read once, dz written once (relative l2 reads twice).
#include "common.cuh"

KERNEL(THREADS)
cross_entropy_f32(const float* z, const int* classes, float* parts, float* dz, int rows, int k, float smoothing) {
    int row = index() / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const float* from = z + row * k;
    float top = LOWEST, sum = 0.0f, below = 0.0f;
    for (int i = lane; i < k; i += 32) top = fmaxf(top, from[i]);
    for (int bits = 16; bits > 0; bits >>= 1) top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, bits));
    for (int i = lane; i < k; i += 32) sum += expf(from[i] - top);
    float normaliser = top + logf(warp_sum(sum)), share = smoothing / float(k);
    for (int i = lane; i < k; i += 32) {
        below += normaliser - from[i];
        float wanted = share + (i == classes[row] ? 1.0f - smoothing : 0.0f);
        dz[row * k + i] = (expf(from[i] - normaliser) - wanted) / float(rows);
    }
    below = warp_sum(below);
    // a class that is ruled out, at -infinity, costs nothing unless it has a share
    if (lane == 0)
        parts[row] = (1.0f - smoothing) * (normaliser - from[classes[row]]) + (share > 0.0f ? share * below : 0.0f);
}

KERNEL(THREADS)
binary_cross_entropy_f32(const float* z, const float* targets, const float* weights, float* parts, float* dz, int n) {
    DYN_SMEM(float, shared);
    int i = index();
    float part = 0.0f;
    if (i < n) {
        float v = z[i], y = targets[i], weight = weights ? weights[i] : 1.0f, small = expf(-fabsf(v));
        part = weight * ((v > 0.0f ? v : v * 0.0f) - v * y + log1pf(small));
        float sigmoid = v >= 0.0f ? 1.0f / (1.0f + small) : small / (1.0f + small);
        dz[i] = weight * (sigmoid - y) / float(n);
    }
    part = block_sum(part, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = part;
}

KERNEL(THREADS) mean_squared_f32(const float* z, const float* targets, float* parts, float* dz, int n) {
    DYN_SMEM(float, shared);
    int i = index();
    float d = i < n ? z[i] - targets[i] : 0.0f;
    if (i < n) dz[i] = 2.0f * d / float(n);
    float part = block_sum(d * d, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = part;
}

KERNEL(THREADS) relative_l2_f32(const float* z, const float* targets, float* parts, float* dz, int size) {
    DYN_SMEM(float, shared);
    const float* from = z + blockIdx.x * size;
    const float* to = targets + blockIdx.x * size;
    float off = 0.0f, by = 0.0f;
    for (int i = threadIdx.x; i < size; i += blockDim.x) {
        float d = from[i] - to[i];
        off += d * d, by += to[i] * to[i];
    }
    off = sqrtf(block_sum(off, shared));
    by = sqrtf(block_sum(by, shared));
    // where the output is exact the norm has no derivative; PyTorch gives 0 there
    float factor = off == 0.0f ? 0.0f : 1.0f / (off * by);
    for (int i = threadIdx.x; i < size; i += blockDim.x) dz[blockIdx.x * size + i] = factor * (from[i] - to[i]);
    if (threadIdx.x == 0) parts[blockIdx.x] = off / by;
}

// value = sum of parts / divisor, in order; one thread.
KERNEL(32) loss_total_f32(const float* parts, float* value, int count, float divisor) {
    if (threadIdx.x != 0) return;
    double sum = 0.0;
    for (int i = 0; i < count; i++) sum += parts[i];
    value[0] = float(sum / double(divisor));
}
