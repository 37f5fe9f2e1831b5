// A mixed cell forward (src/ops/mixed_cell/mod.rs). Per round, which is the states from outside or one node with outgoing edges, once
// its values are complete:
//   cell_pools_fwd   max and average pool, once for all edges that leave a state
//   cell_conv_fwd    all first convolutions of all these edges, ReLU → depthwise → 1×1, in one launch: depthwise results stay in
//                    shared memory, what is written is the tensor before the norm, with the norm's sums on the way
//   cell_statistics  these sums to mean and scale, in order
//   cell_conv_fwd    the second convolutions of separable primitives, which normalise and rectify as they read
//   cell_statistics
// Per node, once all states before it are done:
//   cell_node_fwd    sum over edges of beta · (sum over primitives of alpha · normalised tensor | channels that pass by)
// so that no normalised tensor is ever written. Launch: blocks of THREADS over (tile, convolution); nodes one thread a value.
#include "mixed_cell.cuh"

// z block of row.output = 1×1 of the depthwise results; partials ((block - first),c,tiles,2).
// Shared: depthwise lines [2c][tile], results [c][tile].
KERNEL(THREADS)
cell_conv_fwd_f32(const float* x0, const float* x1, float* z, const float* theta, const float* norms, float* partials,
                  const int* state, const int* rows, int first) {
    DYN_SMEM(float, shared);
    State s = load_state(state);
    Row r = load_row(rows + blockIdx.y * ROW);
    Seen seen = input_of(s, r, x0, x1, z, norms);
    int plane = s.oh * s.ow, start = blockIdx.x * s.tile, count = min(s.tile, s.images * plane - start),
        lines = lines_of(s, r);
    float *deep = shared, *mixed = shared + 2 * s.c * s.tile;
    for (int i = threadIdx.x; i < lines * s.tile; i += blockDim.x) {
        int q = start + i % s.tile, p = q % plane;
        if (i % s.tile < count) deep[i] = deep_at(s, r, seen, theta, i / s.tile, q / plane, p / s.ow, p % s.ow);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < s.c * s.tile; i += blockDim.x) {
        int o = i / s.tile, at = i % s.tile, q = start + at;
        if (at >= count) continue;
        const float* w = theta + r.point + o * s.c;
        const float* line = deep + line_of(s, r, o, 0) * s.tile + at;
        float sum = 0.0f;
        for (int channel = 0; channel < s.c; channel++) sum += w[channel] * line[channel * s.tile];
        mixed[i] = sum;
        z[((r.output * s.images + q / plane) * s.c + o) * plane + q % plane] = sum;
    }
    if (!partials) return;
    __syncthreads();
    tile_moments(mixed, s.c, s.tile, count, partials + ((r.output - first) * s.c * gridDim.x + blockIdx.x) * 2,
                 2 * gridDim.x);
}

// Of one or two states (blockIdx.y) blocks first (max, with the places of maxima) and first + 1 (average, padding not counted), those
// of the second state behind; places (states,N,c,oh,ow); partials (states,2,c,tiles,2). Shared: results [2c][tile].
KERNEL(THREADS)
cell_pools_fwd_f32(const float* x0, const float* x1, float* z, int* places, float* partials, const int* state,
                   int first) {
    DYN_SMEM(float, shared);
    State s = load_state(state);
    const float* x = blockIdx.y == 0 ? x0 : x1;
    first += 2 * blockIdx.y;
    int plane = s.oh * s.ow, start = blockIdx.x * s.tile, count = min(s.tile, s.images * plane - start);
    for (int i = threadIdx.x; i < s.c * s.tile; i += blockDim.x) {
        int channel = i / s.tile, at = i % s.tile, q = start + at, image = q / plane, p = q % plane;
        if (at >= count) continue;
        const float* from = x + image * s.stride + channel * s.h * s.w;
        int row = p / s.ow * s.sy, column = p % s.ow * s.sx, seen = 0, place = -1;
        float largest = LOWEST, sum = 0.0f;
        for (int a = max(row - 1, 0); a < min(row + 2, s.h); a++) {
            for (int b = max(column - 1, 0); b < min(column + 2, s.w); b++) {
                float v = from[a * s.w + b];
                // the first of equal values, and what is not a number beats all
                if (v > largest || v != v || place < 0) largest = v, place = a * s.w + b;
                sum += v, seen++;
            }
        }
        shared[i] = largest;
        shared[s.c * s.tile + i] = sum / float(seen);
        int to = (image * s.c + channel) * plane + p, block = s.images * s.c * plane;
        z[first * block + to] = largest;
        z[(first + 1) * block + to] = shared[s.c * s.tile + i];
        places[blockIdx.y * block + to] = place;
    }
    if (!partials) return;
    __syncthreads();
    for (int pool = 0; pool < 2; pool++) {
        float* to = partials + ((2 * blockIdx.y + pool) * s.c * gridDim.x + blockIdx.x) * 2;
        tile_moments(shared + pool * s.c * s.tile, s.c, s.tile, count, to, 2 * gridDim.x);
    }
}

// Means and scales of `blocks` tensors, of norms of[block], from the sums of their tiles: one warp a channel, lanes combined in a
// fixed order (Chan, Golub and LeVeque). statistics as norms, with the variance of divisor n - 1 in the place of the scale.
KERNEL(THREADS)
cell_statistics_f32(const float* partials, float* norms, float* statistics, const int* of, int c, int tiles, int tile,
                    int count, float eps, int channels) {
    int at = index() / 32, lane = threadIdx.x % 32;
    if (at >= channels) return;
    float seen = 0.0f, mean = 0.0f, squares = 0.0f;
    for (int i = lane; i < tiles; i += 32) {
        const float* from = partials + (at * tiles + i) * 2;
        float more = float(min(tile, count - i * tile)), all = seen + more, d = from[0] - mean;
        mean += d * (more / all);
        squares += from[1] + d * d * (seen * more / all);
        seen = all;
    }
    for (int bits = 16; bits > 0; bits >>= 1) {
        float more = __shfl_xor_sync(FULL_WARP, seen, bits), other = __shfl_xor_sync(FULL_WARP, mean, bits);
        squares += __shfl_xor_sync(FULL_WARP, squares, bits);
        float all = seen + more, d = other - mean;
        if (all > 0.0f) {
            squares += d * d * (seen * more / all);
            mean += d * (more / all);
        }
        seen = all;
    }
    // lanes may differ in the last bit: the first one's word counts
    if (lane != 0) return;
    int to = 2 * of[at / c] * c + at % c;
    norms[to] = mean;
    norms[to + c] = float(1.0 / sqrt(double(squares) / double(seen) + double(eps)));
    statistics[to] = mean;
    statistics[to + c] = squares / fmaxf(seen - 1.0f, 1.0f);
}

// All norms of a cell from running statistics.
KERNEL(THREADS) cell_running_f32(const float* running, float* norms, int c, float eps, int channels) {
    int i = index();
    if (i >= channels) return;
    int at = i / c * 2 * c + i % c;
    norms[at] = running[at];
    norms[at + c] = float(1.0 / sqrt(double(running[at + c]) + double(eps)));
}

// The node at `node`, from `count` entering edges; in_state: the table of a state from outside.
KERNEL(THREADS)
cell_node_fwd_f32(const float* x0, const float* x1, float* out, const float* z, const float* theta, const float* norms,
                  const int* in_state, const int* entering, int count, int inputs, int node) {
    State s = load_state(in_state);
    int plane = s.oh * s.ow, i = index();
    if (i >= s.images * s.channels * plane) return;
    int p = i % plane, channel = i / plane % s.channels, image = i / plane / s.channels, j = channel / s.factor,
        group = channel % s.factor;
    const float *alpha = theta + s.weights, *beta = alpha + 8 * s.edges;
    float sum = 0.0f;
    for (int e = 0; e < count; e++) {
        const int* row = entering + e * ENTERING;
        int edge = row[0], from = row[1];
        bool outside = from < inputs;
        const float* x = outside ? (from == 0 ? x0 : x1) + image * s.channels * s.h * s.w
                                 : out + (image * s.nodes + from - inputs) * s.channels * plane;
        float mixed = 0.0f;
        if (group == 0) {
            for (int primitive = 1; primitive < 8; primitive++) {
                int block = row[1 + primitive], norm = row[8 + primitive];
                float v = block < 0 ? x[j * plane + p] : z[((block * s.images + image) * s.c + j) * plane + p];
                mixed += alpha[8 * edge + primitive] * (block < 0 ? v : normal(v, norms, norm, s.c, j));
            }
        } else {
            int passing = group * s.c + j, place;
            mixed = outside && s.sx == 2 ? halved(x + passing * s.h * s.w, s, s.h, s.w, p / s.ow, p % s.ow, place)
                                         : x[passing * plane + p];
        }
        sum += beta[edge] * mixed;
    }
    out[((image * s.nodes + node) * s.channels + channel) * plane + p] = sum;
}
