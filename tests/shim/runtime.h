// Threads of a kernel as fibers of one thread of the system. Here: what a kernel sees of it. Knows no plan and no Rust.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

namespace shim {

dim3 thread_index();
dim3 block_index();
dim3 block_size();
dim3 grid_size();
void* dynamic_shared();
unsigned lane();

void wait_for_block(const char* file, int line);
/// Puts `value` down, waits until all live lanes of the warp have done so; afterwards `taken` gives what a lane put down.
void wait_for_warp(unsigned mask, uint64_t value, const char* file, int line);
uint64_t taken(unsigned lane);

/// The source lane of a shift; beyond the warp a lane reads itself.
inline unsigned down(unsigned by) { return lane() + by < 32 ? lane() + by : lane(); }
inline unsigned up(unsigned by) { return lane() >= by ? lane() - by : lane(); }

template <class T>
T shuffle(unsigned mask, T value, unsigned from, const char* file, int line) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    wait_for_warp(mask, bits, file, line);
    bits = taken(from);
    memcpy(&value, &bits, sizeof(T));
    return value;
}

/// d += a b over a warp, by the fragments of mma.sync.m16n8k8 (kernels/mma.cuh): lanes show each other theirs.
inline void mma(float (&d)[4], const float (&a)[4], const float (&b)[2], const char* file, int line) {
    struct Fragments {
        float a[4], b[2];
    } own{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    wait_for_warp(0xffffffffu, reinterpret_cast<uint64_t>(&own), file, line);
    auto of = [](unsigned lane) { return reinterpret_cast<const Fragments*>(taken(lane)); };
    for (unsigned v = 0; v < 4; v++) {
        unsigned row = lane() / 4 + v / 2 * 8, column = lane() % 4 * 2 + v % 2;
        for (unsigned k = 0; k < 8; k++)
            d[v] += of(row % 8 * 4 + k % 4)->a[row / 8 + k / 4 * 2] * of(column * 4 + k % 4)->b[k / 4];
    }
    wait_for_warp(0xffffffffu, 0, file, line);
}

/// Outside the watch on races: not instrumented.
template <class T>
__attribute__((no_sanitize("thread"))) T atomic_add(T* at, T value) {
    T before = *at;
    *at = before + value;
    return before;
}

/// Ends the launch with this message (printf's form); does not come back.
[[noreturn]] void fail(const char* form, ...) __attribute__((format(printf, 1, 2)));

/// One kernel that this library holds. `kinds` has a letter per parameter: p pointer, i int, f float, u unsigned.
struct Kernel {
    const char* name;
    const char* kinds;
    unsigned most_threads;
    void (*call)(void** arguments);
};

template <class T>
constexpr char kind() {
    if constexpr (std::is_pointer_v<T>)
        return 'p';
    else if constexpr (std::is_same_v<T, int>)
        return 'i';
    else if constexpr (std::is_same_v<T, unsigned>)
        return 'u';
    else if constexpr (std::is_same_v<T, float>)
        return 'f';
    else
        static_assert(sizeof(T) == 0, "a kernel takes pointers, int, unsigned and float");
}

template <auto* F>
struct Signature;
template <class... A, void (*F)(A...)>
struct Signature<F> {
    static constexpr char kinds[] = {kind<A>()..., 0};
    // The parameters are no memory of the kernel's: not watched. The volatile pointer keeps the kernel from being inlined here,
    // where it would not be watched either.
    template <size_t... I>
    __attribute__((no_sanitize("thread"))) static void spread(void** arguments, std::index_sequence<I...>) {
        void (*volatile kernel)(A...) = F;
        kernel(*static_cast<A*>(arguments[I])...);
    }
    __attribute__((no_sanitize("thread"))) static void call(void** arguments) {
        spread(arguments, std::index_sequence_for<A...>());
    }
};

void add_kernel(Kernel kernel);

struct Registration {
    explicit Registration(Kernel kernel) { add_kernel(kernel); }
};

}  // namespace shim

/// One line per kernel, after the source that holds it.
#define SHIM_KERNEL(name, threads)             \
    static shim::Registration register_##name( \
        {#name, shim::Signature<name>::kinds, threads, shim::Signature<name>::call})
