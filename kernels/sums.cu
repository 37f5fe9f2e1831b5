// Second halves of two-stage sums, and sums of channels. Order is fixed by shapes: the same bits every time.
#include "common.cuh"

// out[i] (+)= sum over chunks of partials[chunk,i], first to last. One thread a value.
KERNEL(THREADS) sum_partials_f32(const float* partials, float* out, int add, int chunks, int n) {
    int i = index();
    if (i >= n) return;
    float sum = partials[i];
    for (int chunk = 1; chunk < chunks; chunk++) sum += partials[chunk * n + i];
    put(out + i, sum, add);
}

// out[c] (+)= sum of channel c of g (images,channels,plane). One block a channel.
KERNEL(THREADS) sum_channel_f32(const float* g, float* out, int add, int images, int channels, int plane) {
    DYN_SMEM(float, partials);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < images * plane; i += blockDim.x)
        sum += g[(i / plane * channels + blockIdx.x) * plane + i % plane];
    sum = block_sum(sum, partials);
    if (threadIdx.x == 0) put(out + blockIdx.x, sum, add);
}
