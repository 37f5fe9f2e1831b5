// Optimisers on the flat arrays, one pass each; what changes from step to step stands in `now` (words in device memory), so that a
// captured graph stays valid. Layout: flat. Launch: one thread a value; exponentiated gradient one warp a row.
// Traffic in words a value: SGD 3 read, 2 written; Adam 4 and 3.
#include "common.cuh"

// now = rate, scale of the gradient. v ← momentum v + g, w ← w - rate (g + momentum v), or rate v without Nesterov.
KERNEL(THREADS)
sgd_f32(float* w, const float* g, float* v, const float* now, float momentum, float decay, int nesterov, int n) {
    int i = index();
    if (i >= n) return;
    float d = now[1] * g[i] + decay * w[i], moved = momentum * v[i] + d;
    v[i] = moved;
    w[i] -= now[0] * (nesterov ? d + momentum * moved : moved);
}

// now = rate / (1 - beta1^t), scale of the gradient, sqrt(1 - beta2^t). Moments: first (n), second (n).
KERNEL(THREADS)
adam_f32(float* w, const float* g, float* first, float* second, const float* now, float b1, float b2, float epsilon,
         float decay, int n) {
    int i = index();
    if (i >= n) return;
    float d = now[1] * g[i] + decay * w[i];
    float m = b1 * first[i] + (1.0f - b1) * d, s = b2 * second[i] + (1.0f - b2) * d * d;
    first[i] = m, second[i] = s;
    w[i] -= now[0] * m / (sqrtf(s) / now[2] + epsilon);
}

// p ← p exp(-rate g), each row divided by its sum. starts (rows + 1).
KERNEL(THREADS) exponentiated_gradient_f32(float* p, const float* g, const float* now, const int* starts, int rows) {
    int row = index() / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int i = starts[row] + lane; i < starts[row + 1]; i += 32) {
        p[i] *= expf(-now[0] * g[i]);
        sum += p[i];
    }
    sum = warp_sum(sum);
    for (int i = starts[row] + lane; i < starts[row + 1]; i += 32) p[i] /= sum;
}

// parts[block] = sum of squares of the block's values.
KERNEL(THREADS) squares_f32(const float* g, float* parts, int n) {
    DYN_SMEM(float, shared);
    int i = index();
    float sum = block_sum(i < n ? g[i] * g[i] : 0.0f, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// scale = min(limit / (norm + 1e-6), 1): torch.nn.utils.clip_grad_norm_. One block.
KERNEL(THREADS) clip_f32(const float* parts, float* scale, int count, float limit) {
    DYN_SMEM(double, shared);
    double sum = 0.0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) scale[0] = float(fmin(double(limit) / (sqrt(sum) + 1e-6), 1.0));
}

// running ← (1 - momentum) running + momentum batch.
KERNEL(THREADS) running_f32(float* running, const float* batch, const float* momenta, int n) {
    int i = index();
    if (i < n) running[i] = (1.0f - momenta[i]) * running[i] + momenta[i] * batch[i];
}

KERNEL(THREADS) fill_f32(float* to, float value, int n) {
    int i = index();
    if (i < n) to[i] = value;
}
