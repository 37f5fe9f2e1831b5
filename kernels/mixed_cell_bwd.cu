// A mixed cell backward. g is the gradient of all nodes (N,nodes·C,oh,ow), to which states that are nodes add what flows through them.
// Of a node whose g is complete:
//   cell_node_sums    per entering edge and channel: sum of g, and of g · each normalised result: with these the norms' gradients
//                     are known at every position, and alpha and beta have theirs:
//                     d alpha = beta · sum(g · result), d beta = sum over primitives of alpha · sum(g · result) + sum(g · passed)
//   cell_node_totals
// Of a round (the states from outside, or a node) whose leaving edges all enter such nodes, second convolutions first:
//   cell_mix_bwd      norm and 1×1 backward: gradient of the depthwise lines, partial gradients of the 1×1 weights
//   cell_hidden_bwd   depthwise and ReLU backward between two convolutions
//   cell_deep_sums    partial gradients of depthwise weights, and the sums that the norm in between needs
//   cell_hidden_totals, then cell_mix_bwd and cell_deep_sums of the first convolutions
//   cell_weight_totals, and per state
//   cell_pool_bwd     norms of the two pools, whose gradients from all leaving edges meet
//   cell_input_bwd    everything that reaches the state, in one pass: a gather, so that no two threads write to one word
// dz of a norm: scale · (dy - (sum dy + hat · sum(dy · hat)) / count). Depthwise results and ReLU masks are computed again.
// Launch: blocks over (chunk, convolution) or (channel, edge or convolution, chunk of images), else one thread a value.
#include "mixed_cell.cuh"

// Slots of a channel's sums: 0 for g, a primitive's number for g · result.
#define SLOTS 8
// Depthwise weights of a channel that a thread sums at once: 5×5.
#define MOST_TAPS 25

// partials (entering,c + 1,chunks,SLOTS). Blocks (channel, or c for all that pass by; entering edge; chunk of `chunk` images).
KERNEL(THREADS)
cell_node_sums_f32(const float* g, const float* x0, const float* x1, const float* out, const float* z,
                   const float* norms, const int* in_state, const int* entering, float* partials, int inputs, int node,
                   int chunk) {
    DYN_SMEM(float, shared);
    State s = load_state(in_state);
    const int* row = entering + blockIdx.y * ENTERING;
    int from = row[1], j = blockIdx.x, plane = s.oh * s.ow, first = blockIdx.z * chunk,
        images = min(chunk, s.images - first);
    bool outside = from < inputs;
    float sums[SLOTS] = {};
    int lines = j < s.c ? 1 : s.channels - s.c;
    for (int i = threadIdx.x; i < images * lines * plane; i += blockDim.x) {
        int image = first + i / plane / lines, line = i / plane % lines, p = i % plane;
        const float* x = outside ? (from == 0 ? x0 : x1) + image * s.channels * s.h * s.w
                                 : out + (image * s.nodes + from - inputs) * s.channels * plane;
        const float* upstream = g + (image * s.nodes + node) * s.channels * plane + p;
        if (j < s.c) {
            float v = upstream[j * s.factor * plane];
            sums[0] += v;
#pragma unroll
            for (int primitive = 1; primitive < SLOTS; primitive++) {
                int block = row[1 + primitive];
                sums[primitive] += v * (block < 0 ? x[j * plane + p]
                                                  : normal(z[((block * s.images + image) * s.c + j) * plane + p], norms,
                                                           row[8 + primitive], s.c, j));
            }
        } else {
            int passing = s.c + line, to = passing % s.c * s.factor + passing / s.c, h = outside ? s.h : s.oh,
                w = outside ? s.w : s.ow;
            const float* own = x + passing * h * w;
            int place;
            sums[0] += upstream[to * plane] *
                       (outside && s.sx == 2 ? halved(own, s, h, w, p / s.ow, p % s.ow, place) : own[p]);
        }
    }
    float* to = partials + ((blockIdx.y * (s.c + 1) + j) * gridDim.z + blockIdx.z) * SLOTS;
#pragma unroll
    for (int slot = 0; slot < SLOTS; slot++) {
        float sum = block_sum(sums[slot], shared);
        if (threadIdx.x == 0) to[slot] = sum;
    }
}

// sums (edges,c,SLOTS) of the entering edges; with `dtheta` their alpha and beta get their gradients. One block an edge.
KERNEL(THREADS)
cell_node_totals_f32(const float* partials, float* sums, float* dtheta, const float* theta, const int* in_state,
                     const int* entering, int chunks) {
    DYN_SMEM(float, totals);  // SLOTS
    State s = load_state(in_state);
    int edge = entering[blockIdx.x * ENTERING];
    const float* from = partials + blockIdx.x * (s.c + 1) * chunks * SLOTS;
    float* own = sums + edge * s.c * SLOTS;
    for (int i = threadIdx.x; i < s.c * SLOTS; i += blockDim.x) {
        float sum = 0.0f;
        for (int chunk = 0; chunk < chunks; chunk++) sum += from[(i / SLOTS * chunks + chunk) * SLOTS + i % SLOTS];
        own[i] = sum;
    }
    if (!dtheta) return;
    __syncthreads();
    const float* alpha = theta + s.weights + 8 * edge;
    float beta = theta[s.weights + 8 * s.edges + edge];
    int slot = threadIdx.x;
    if (slot < SLOTS) {
        float sum = 0.0f;
        if (slot == 0)  // what passes by
            for (int chunk = 0; chunk < chunks; chunk++) sum += from[(s.c * chunks + chunk) * SLOTS];
        else
            for (int j = 0; j < s.c; j++) sum += own[j * SLOTS + slot];
        totals[slot] = sum;
        if (slot > 0) dtheta[s.weights + 8 * edge + slot] += beta * sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        float sum = totals[0];
        for (int primitive = 1; primitive < SLOTS; primitive++) sum += alpha[primitive] * totals[primitive];
        dtheta[s.weights + 8 * s.edges + edge] += sum;
    }
}

// Gradient of a convolution's result, before its norm.
__device__ __forceinline__ float result_gradient(const State& s, const Row& r, const float* z, const float* theta,
                                                 const float* norms, const float* g, const float* sums,
                                                 const float* hidden, const float* hidden_sums, int o, int image,
                                                 int p) {
    int plane = s.oh * s.ow;
    float hat = normal(z[((r.output * s.images + image) * s.c + o) * plane + p], norms, r.norm, s.c, o), dy, plain,
          scaled, factor = 1.0f;
    if (r.primitive >= 0) {
        const float* of = sums + (r.edge * s.c + o) * SLOTS;
        factor = theta[s.weights + 8 * r.edge + r.primitive] * theta[s.weights + 8 * s.edges + r.edge];
        dy = g[((image * s.nodes + r.node) * s.channels + o * s.factor) * plane + p], plain = of[0],
        scaled = of[r.primitive];
    } else {
        const float* of = hidden_sums + (r.hidden * s.c + o) * 2;
        dy = hidden[((r.hidden * s.images + image) * s.c + o) * plane + p], plain = of[0], scaled = of[1];
    }
    return factor * norms[2 * r.norm * s.c + s.c + o] * (dy - (plain + hat * scaled) / float(s.images * plane));
}

// dlines: blocks of the depthwise lines' gradient; dpoint (rows,chunks,c,c), absent where nobody asks.
// Shared: dz [c][tile], lines [2c][tile], sums [c][c]. Blocks (chunk of `chunk` tiles, convolution).
KERNEL(THREADS)
cell_mix_bwd_f32(const float* x0, const float* x1, const float* z, const float* theta, const float* norms,
                 const float* g, const float* sums, const float* hidden, const float* hidden_sums, float* dlines,
                 float* dpoint, const int* state, const int* rows, int tiles, int chunk) {
    DYN_SMEM(float, shared);
    State s = load_state(state);
    Row r = load_row(rows + blockIdx.y * ROW);
    Seen seen = input_of(s, r, x0, x1, z, norms);
    int plane = s.oh * s.ow, lines = lines_of(s, r);
    float *dz = shared, *deep = dz + s.c * s.tile, *weights = deep + 2 * s.c * s.tile;
    for (int i = threadIdx.x; i < s.c * s.c; i += blockDim.x) weights[i] = 0.0f;
    for (int tile = blockIdx.x * chunk; tile < min((int(blockIdx.x) + 1) * chunk, tiles); tile++) {
        int start = tile * s.tile, count = min(s.tile, s.images * plane - start);
        for (int i = threadIdx.x; i < s.c * s.tile; i += blockDim.x) {
            int q = start + i % s.tile;
            if (i % s.tile < count)
                dz[i] = result_gradient(s, r, z, theta, norms, g, sums, hidden, hidden_sums, i / s.tile, q / plane,
                                        q % plane);
        }
        for (int i = threadIdx.x; dpoint && i < lines * s.tile; i += blockDim.x) {
            int q = start + i % s.tile, p = q % plane;
            if (i % s.tile < count) deep[i] = deep_at(s, r, seen, theta, i / s.tile, q / plane, p / s.ow, p % s.ow);
        }
        __syncthreads();
        for (int i = threadIdx.x; i < lines * s.tile; i += blockDim.x) {
            int line = i / s.tile, at = i % s.tile, q = start + at;
            if (at >= count) continue;
            // the outputs that read this line
            int o = line >= s.c ? s.c / 2 : 0, end = r.deep < 0 && line < s.c ? s.c / 2 : s.c;
            float sum = 0.0f;
            for (; o < end; o++) sum += theta[r.point + o * s.c + line % s.c] * dz[o * s.tile + at];
            dlines[(((r.lines + line / s.c) * s.images + q / plane) * s.c + line % s.c) * plane + q % plane] = sum;
        }
        for (int i = threadIdx.x; dpoint && i < s.c * s.c; i += blockDim.x) {
            const float *a = dz + i / s.c * s.tile, *b = deep + line_of(s, r, i / s.c, i % s.c) * s.tile;
            float sum = 0.0f;
            for (int at = 0; at < count; at++) sum += a[at] * b[at];
            weights[i] += sum;
        }
        __syncthreads();
    }
    float* to = dpoint + (blockIdx.y * gridDim.x + blockIdx.x) * s.c * s.c;
    for (int i = threadIdx.x; dpoint && i < s.c * s.c; i += blockDim.x) to[i] = weights[i];
}

// hidden: gradient of the normalised tensors between two convolutions, one block (N,c,oh,ow) per row.
KERNEL(THREADS)
cell_hidden_bwd_f32(const float* dlines, const float* z, const float* theta, const float* norms, float* hidden,
                    const int* state, const int* rows, int n) {
    State s = load_state(state);
    int i = index();
    if (i >= n) return;
    int plane = s.oh * s.ow, p = i % plane, channel = i / plane % s.c, image = i / plane / s.c % s.images;
    Row r = load_row(rows + i / plane / s.c / s.images * ROW);
    int within = (image * s.c + channel) * plane, block = s.images * s.c * plane;
    const float *d = dlines + r.lines * block + within, *w = theta + r.deep + channel * r.kh * r.kw;
    float sum = 0.0f;
    if (normal(z[r.input * block + within + p], norms, r.input_norm, s.c, channel) > 0.0f) {
        for (int a = 0; a < r.kh; a++) {
            for (int b = 0; b < r.kw; b++) {
                int row = p / s.ow + r.py - a * r.dy, column = p % s.ow + r.px - b * r.dx;
                if (row >= 0 && row < s.oh && column >= 0 && column < s.ow)
                    sum += w[a * r.kw + b] * d[row * s.ow + column];
            }
        }
    }
    hidden[r.hidden * block + within + p] = sum;
}

// ddeep (rows,chunks,c,MOST_TAPS) and, with `hidden`, its sums (rows,chunks,c,2): plain, and times the normalised value.
// Blocks (channel, convolution, chunk of `chunk` images).
KERNEL(THREADS)
cell_deep_sums_f32(const float* dlines, const float* x0, const float* x1, const float* z, const float* norms,
                   const float* hidden, float* ddeep, float* hidden_partials, const int* state, const int* rows,
                   int chunk) {
    DYN_SMEM(float, shared);
    State s = load_state(state);
    Row r = load_row(rows + blockIdx.y * ROW);
    Seen seen = input_of(s, r, x0, x1, z, norms);
    int channel = blockIdx.x, plane = s.oh * s.ow, first = blockIdx.z * chunk,
        count = min(chunk, s.images - first) * plane;
    int taps = r.deep < 0 || !ddeep ? 0 : r.kh * r.kw, block = s.images * s.c * plane;
    float sums[MOST_TAPS] = {}, plain = 0.0f, scaled = 0.0f;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        int image = first + i / plane, p = i % plane, at = (image * s.c + channel) * plane + p;
        if (hidden) {
            float d = hidden[r.hidden * block + at];
            plain += d;
            scaled += d * normal(z[r.input * block + at], norms, r.input_norm, s.c, channel);
        }
        if (taps == 0) continue;
        int top = p / s.ow * down_of(s, r) - r.py, left = p % s.ow * across_of(s, r) - r.px;
        float d = dlines[r.lines * block + at];
#pragma unroll
        for (int t = 0; t < MOST_TAPS; t++) {
            if (t >= taps) break;
            sums[t] += d * seen(image, channel, top + t / r.kw * r.dy, left + t % r.kw * r.dx);
        }
    }
    int to = (blockIdx.y * gridDim.z + blockIdx.z) * s.c + channel;
    for (int t = 0; ddeep && t < MOST_TAPS; t++) {
        float sum = t < taps ? block_sum(sums[t], shared) : 0.0f;
        if (threadIdx.x == 0) ddeep[to * MOST_TAPS + t] = sum;
    }
    if (!hidden) return;
    plain = block_sum(plain, shared);
    scaled = block_sum(scaled, shared);
    if (threadIdx.x == 0) hidden_partials[2 * to] = plain, hidden_partials[2 * to + 1] = scaled;
}

// hidden_sums (rows,c,2).
KERNEL(THREADS) cell_hidden_totals_f32(const float* partials, float* hidden_sums, int c, int chunks, int n) {
    int i = index();
    if (i >= n) return;
    float sum = 0.0f;
    for (int chunk = 0; chunk < chunks; chunk++) sum += partials[(i / (2 * c) * chunks + chunk) * 2 * c + i % (2 * c)];
    hidden_sums[i] = sum;
}

// dpools (2,N,c,oh,ow): max, average. leaving: edge and node of each edge that leaves the state. Blocks `first`, `first` + 1 of z.
KERNEL(THREADS)
cell_pool_bwd_f32(const float* g, const float* z, const float* theta, const float* norms, const float* sums,
                  float* dpools, const int* state, const int* leaving, int edges, int first, int norm, int n) {
    State s = load_state(state);
    int i = index();
    if (i >= n) return;
    int plane = s.oh * s.ow, p = i % plane, j = i / plane % s.c, image = i / plane / s.c % s.images,
        pool = i / plane / s.c / s.images;
    float dy = 0.0f, plain = 0.0f, scaled = 0.0f;
    for (int e = 0; e < edges; e++) {
        int edge = leaving[2 * e], node = leaving[2 * e + 1];
        const float* of = sums + (edge * s.c + j) * SLOTS;
        float factor = theta[s.weights + 8 * edge + 1 + pool] * theta[s.weights + 8 * s.edges + edge];
        dy += factor * g[((image * s.nodes + node) * s.channels + j * s.factor) * plane + p];
        plain += factor * of[0];
        scaled += factor * of[1 + pool];
    }
    float hat = normal(z[(((first + pool) * s.images + image) * s.c + j) * plane + p], norms, norm + pool, s.c, j);
    dpools[i] = norms[2 * (norm + pool) * s.c + s.c + j] * (dy - (plain + hat * scaled) / float(s.images * plane));
}

// Of a state's value among the channels that primitives see: all depthwise lines, pools and skips that read it.
__device__ float seen_gradient(const State& s, const float* dlines, const float* dpools, const int* places,
                               const float* g, const float* theta, const int* rows, int count, const int* leaving,
                               int edges, bool positive, int image, int j, int y, int x) {
    int plane = s.oh * s.ow, block = s.images * s.c * plane, within = (image * s.c + j) * plane;
    float sum = 0.0f;
    for (int i = 0; positive && i < count; i++) {
        Row r = load_row(rows + i * ROW);
        const float* d = dlines + r.lines * block + within;
        if (r.deep < 0) {
            int shift = s.one_d ? 0 : 1, row = y - shift, column = x - shift;
            if (y % s.sy == 0 && x % s.sx == 0) sum += d[y / s.sy * s.ow + x / s.sx];
            if (row >= 0 && column >= 0 && row % s.sy == 0 && column % s.sx == 0)
                sum += d[block + row / s.sy * s.ow + column / s.sx];
            continue;
        }
        const float* w = theta + r.deep + j * r.kh * r.kw;
        for (int a = 0; a < r.kh; a++) {
            for (int b = 0; b < r.kw; b++) {
                int row = y + r.py - a * r.dy, column = x + r.px - b * r.dx;
                if (row < 0 || column < 0 || row % s.sy || column % s.sx) continue;
                row /= s.sy, column /= s.sx;
                if (row < s.oh && column < s.ow) sum += w[a * r.kw + b] * d[row * s.ow + column];
            }
        }
    }
    for (int row = max((y + s.sy - 2) / s.sy, 0); row < s.oh && row * s.sy - 1 <= y; row++) {
        for (int column = max((x + s.sx - 2) / s.sx, 0); column < s.ow && column * s.sx - 1 <= x; column++) {
            int at = within + row * s.ow + column;
            if (places[at] == y * s.w + x) sum += dpools[at];
            int rows_seen = min(row * s.sy + 2, s.h) - max(row * s.sy - 1, 0);
            int columns_seen = min(column * s.sx + 2, s.w) - max(column * s.sx - 1, 0);
            sum += dpools[block + at] / float(rows_seen * columns_seen);
        }
    }
    for (int e = 0; s.sx == 1 && e < edges; e++) {
        float factor = theta[s.weights + 8 * leaving[2 * e] + 3] * theta[s.weights + 8 * s.edges + leaving[2 * e]];
        sum += factor * g[((image * s.nodes + leaving[2 * e + 1]) * s.channels + j * s.factor) * plane + y * s.w + x];
    }
    return sum;
}

// dx (+)= the gradient of a state; images are `dx_stride` words apart. `from` is the state's first channel in g's images where it is a
// node: g is read of other nodes, written of this one.
KERNEL(THREADS)
cell_input_bwd_f32(const float* dlines, const float* dpools, const int* places, const float* g, const float* x,
                   const float* theta, float* dx, int add, int dx_stride, const int* state, const int* rows, int count,
                   const int* leaving, int edges, int n) {
    State s = load_state(state);
    int i = index();
    if (i >= n) return;
    int area = s.h * s.w, p = i % area, channel = i / area % s.channels, image = i / area / s.channels,
        plane = s.oh * s.ow;
    const float* own = x + image * s.stride + channel * area;
    float sum = 0.0f;
    if (channel < s.c) {
        sum = seen_gradient(s, dlines, dpools, places, g, theta, rows, count, leaving, edges, own[p] > 0.0f, image,
                            channel, p / s.w, p % s.w);
    } else {
        int to = channel % s.c * s.factor + channel / s.c, row = p / s.w / s.sy, column = p % s.w / s.sx, place = p;
        if (s.sx == 2) halved(own, s, s.h, s.w, row, column, place);
        for (int e = 0; place == p && e < edges; e++) {
            float beta = theta[s.weights + 8 * s.edges + leaving[2 * e]];
            sum += beta * g[((image * s.nodes + leaving[2 * e + 1]) * s.channels + to) * plane + row * s.ow + column];
        }
    }
    put(dx + image * dx_stride + channel * area + p, sum, add);
}

// dtheta += partial gradients of depthwise and of 1×1 weights, chunk by chunk. One thread a weight of a row.
KERNEL(THREADS)
cell_weight_totals_f32(const float* ddeep, const float* dpoint, float* dtheta, const int* rows, int c, int deep_chunks,
                       int point_chunks, int n) {
    int i = index(), each = c * MOST_TAPS + c * c;
    if (i >= n) return;
    int at = i % each, row = i / each;
    Row r = load_row(rows + row * ROW);
    float sum = 0.0f;
    if (at >= c * MOST_TAPS) {
        at -= c * MOST_TAPS;
        for (int chunk = 0; chunk < point_chunks; chunk++) sum += dpoint[(row * point_chunks + chunk) * c * c + at];
        dtheta[r.point + at] += sum;
        return;
    }
    int taps = r.kh * r.kw;
    if (r.deep < 0 || at % MOST_TAPS >= taps) return;
    for (int chunk = 0; chunk < deep_chunks; chunk++) sum += ddeep[(row * deep_chunks + chunk) * c * MOST_TAPS + at];
    dtheta[r.deep + at / MOST_TAPS * taps + at % MOST_TAPS] += sum;
}
