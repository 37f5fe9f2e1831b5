// Channel c of `to` is channel c mod groups · (channels/groups) + c/groups of `from`. The backward pass is the same with
// channels/groups in the place of groups.
// Layout: (images,channels,plane). Launch: one thread a value. Traffic: 2n words.
#include "common.cuh"

KERNEL(THREADS) channel_shuffle_f32(const float* from, float* to, int add, int channels, int groups, int plane, int n) {
    int i = index();
    if (i >= n) return;
    int place = i % plane, c = i / plane % channels, image = i / plane / channels;
    put(to + i, from[(image * channels + c % groups * (channels / groups) + c / groups) * plane + place], add);
}
