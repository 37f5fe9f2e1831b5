// Channels start .. start + count of x; backward: their gradient there, 0 (or what was) elsewhere.
// Layout: x (images,channels,plane), y (images,count,plane). Launch: one thread a value that is written.
#include "common.cuh"

KERNEL(THREADS) narrow_fwd_f32(const float* x, float* y, int channels, int start, int count, int plane, int n) {
    int i = index();
    if (i >= n) return;
    int image = i / plane / count, channel = i / plane % count;
    y[i] = x[(image * channels + start + channel) * plane + i % plane];
}

KERNEL(THREADS)
narrow_bwd_f32(const float* g, float* dx, int add, int channels, int start, int count, int plane, int n) {
    int i = index();
    if (i >= n) return;
    int image = i / plane / channels, channel = i / plane % channels - start;
    bool inside = channel >= 0 && channel < count;
    put(dx + i, inside ? g[(image * count + channel) * plane + i % plane] : 0.0f, add);
}
