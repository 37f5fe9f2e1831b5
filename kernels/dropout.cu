// to (+)= from · 0 or 1/(1 - rate), per value or per sample, by the very draws of the CPU: Philox4x32-10 (Salmon et al., SC 2011)
// with counter (draw / 4, 0, chunk, step) and the layer's key (src/seed.rs). Backward is the same with the gradient.
// Layout: flat; `unit` values share a draw: 1, or those of a sample. Chunks of a stream: `chunk` draws. Launch: one thread a value.
// The rate is fixed, or rises with the epochs: most · (step / steps) / epochs, at most 0.999. `step` is read from memory.
#include "common.cuh"

__device__ __forceinline__ unsigned philox(unsigned block, unsigned chunk, unsigned step, unsigned key0, unsigned key1,
                                           int word) {
    unsigned c0 = block, c1 = 0, c2 = chunk, c3 = step;
    for (int round = 0; round < 10; round++) {
        unsigned a = __umulhi(0xD2511F53u, c0), a_low = 0xD2511F53u * c0;
        unsigned b = __umulhi(0xCD9E8D57u, c2), b_low = 0xCD9E8D57u * c2;
        c0 = b ^ c1 ^ key0, c1 = b_low, c2 = a ^ c3 ^ key1, c3 = a_low;
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3;
}

// `rate`: most (two words, a double), then steps and epochs, 0 where it is fixed.
KERNEL(THREADS)
dropout_f32(const float* from, float* to, int add, const unsigned* step, const unsigned* rate, unsigned key0,
            unsigned key1, int unit, int chunk, int n) {
    int i = index();
    if (i >= n) return;
    double most = __hiloint2double(rate[1], rate[0]);
    if (rate[3]) most = fmin(most * double(step[0] / rate[2]) / double(rate[3]), 0.999);
    if (most == 0.0) {
        put(to + i, from[i], add);
        return;
    }
    int draw = i / unit, within = draw % chunk;
    unsigned drawn = philox(within / 4, draw / chunk, step[0], key0, key1, within % 4);
    bool keeps = double(drawn) >= floor(most * 4294967296.0);
    put(to + i, from[i] * (keeps ? float(1.0 / (1.0 - most)) : 0.0f), add);
}
