// Planes resampled to a size: y[i,j] mixes two rows and two columns of x by the weights of an axis' table. Backward gathers: each input
// value looks at the outputs that read it.
// Layout: x (planes,h,w), y (planes,oh,ow). An axis' table: per new position first, second, near, far; then per old position the first
// new one that reads it and the end of these. Launch: one thread a value that is written.
#include "common.cuh"

struct Place {
    int first, second;
    float near, far;
};

__device__ __forceinline__ Place load(const int* axis, int at) {
    const int* t = axis + 4 * at;
    return {t[0], t[1], __int_as_float(t[2]), __int_as_float(t[3])};
}

// The second is left out where it has no weight, as it may not be a number.
__device__ __forceinline__ float mix(const Place& p, float first, float second) {
    return p.far == 0.0f ? first : first * p.near + second * p.far;
}

// The weight of old position `from` in a new one.
__device__ __forceinline__ float share(const Place& p, int from) {
    return (p.first == from ? p.near : 0.0f) + (p.second == from ? p.far : 0.0f);
}

KERNEL(THREADS)
upsample_fwd_f32(const float* x, float* y, const int* down, const int* across, int h, int w, int oh, int ow, int n) {
    int i = index();
    if (i >= n) return;
    Place row = load(down, i / ow % oh), column = load(across, i % ow);
    const float* plane = x + i / (oh * ow) * h * w;
    const float *a = plane + row.first * w, *b = plane + row.second * w;
    float left = mix(row, a[column.first], b[column.first]), right = mix(row, a[column.second], b[column.second]);
    y[i] = mix(column, left, right);
}

KERNEL(THREADS)
upsample_bwd_f32(const float* g, float* dx, int add, const int* down, const int* across, int h, int w, int oh, int ow,
                 int n) {
    int i = index();
    if (i >= n) return;
    int y = i / w % h, x = i % w;
    const int *rows = down + 4 * oh + 2 * y, *columns = across + 4 * ow + 2 * x;
    const float* plane = g + i / (h * w) * oh * ow;
    float sum = 0.0f;
    for (int row = rows[0]; row < rows[1]; row++) {
        float weight = share(load(down, row), y);
        for (int column = columns[0]; column < columns[1]; column++)
            sum += weight * share(load(across, column), x) * plane[row * ow + column];
    }
    put(dx + i, sum, add);
}
