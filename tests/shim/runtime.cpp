// The scheduler: each thread of a block is a fiber; a sweep runs every fiber that can run, in a given order, until it waits
// or returns; then barriers open whose threads have all come. What can never open is reported, with places.
#include "state.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <numeric>
#include <random>
#include <sys/mman.h>

// void shim_switch(void** save, void* to): the registers that a callee keeps, and the stack (x86-64, System V).
extern "C" void shim_switch(void** save, void* to);
__asm__(
    ".text\n.globl shim_switch\n.hidden shim_switch\n.type shim_switch,@function\nshim_switch:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");

namespace shim {

Launch* launch = nullptr;

namespace {

constexpr size_t STACK = 64 << 10, GUARD = 4096;
char* stacks = nullptr;
constexpr unsigned MOST = 1024;  // threads of a block, CUDA's limit

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

void leave() { shim_switch(&launch->running->stack_pointer, launch->main_stack_pointer); }

void body() {
    launch->kernel->call(launch->arguments);
    launch->running->done = true;
    leave();
    __builtin_unreachable();
}

void make_stacks() {
    if (stacks) return;
    size_t size = MOST * (STACK + GUARD);
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) abort();
    stacks = static_cast<char*>(at);
    for (unsigned i = 0; i < MOST; i++) mprotect(stacks + i * (STACK + GUARD), GUARD, PROT_NONE);
}

void begin(Fiber& fiber, unsigned linear) {
    fiber = Fiber();
    fiber.linear = linear;
    dim3 size = launch->block;
    fiber.index = {linear % size.x, linear / size.x % size.y, linear / (size.x * size.y)};
    // 16-byte alignment at the entry of `body`, as after a call
    void** top = reinterpret_cast<void**>(stacks + (linear + 1) * (STACK + GUARD) - 64);
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(body);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    fiber.stack_pointer = top;
}

void describe_waiting() {
    std::map<std::string, int> places;
    for (const Fiber& f : launch->fibers) {
        if (f.done)
            places["returned"]++;
        else if (f.waits == Waits::block)
            places["at __syncthreads, line " + std::to_string(f.line)]++;
        else
            places["at a warp's barrier, line " + std::to_string(f.line)]++;
    }
    launch->failure = "divergent barrier:";
    for (const auto& [place, count] : places)
        launch->failure += " " + std::to_string(count) + " threads " + place + ";";
}

/// Opens the block's barrier if all live threads wait there.
bool open_block() {
    const Fiber* first = nullptr;
    for (const Fiber& f : launch->fibers) {
        if (f.done) continue;
        if (f.waits != Waits::block) return false;
        if (first && (first->line != f.line || strcmp(first->file, f.file) != 0)) return false;
        first = &f;
    }
    for (Fiber& f : launch->fibers) {
        f.waits = Waits::nothing;
        f.epoch++;
        f.warp_epoch = 0;
    }
    return first != nullptr;
}

/// Opens the barrier of the warp that begins at `start` if all live lanes wait there; false also after a failure.
bool open_warp(unsigned start) {
    unsigned end = std::min<unsigned>(start + 32, launch->fibers.size()), live = 0;
    const Fiber* first = nullptr;
    for (unsigned i = start; i < end; i++) {
        const Fiber& f = launch->fibers[i];
        if (f.done) continue;
        if (f.waits != Waits::warp || (first && first->line != f.line)) return false;
        live |= 1u << (i - start);
        first = &f;
    }
    if (!first) return false;
    for (unsigned i = start; i < end; i++) {
        Fiber& f = launch->fibers[i];
        if (f.done) continue;
        if (f.mask != live) {
            char text[160];
            snprintf(text, sizeof text, "line %d: mask %08x where lanes %08x of the warp are live", f.line, f.mask,
                     live);
            launch->failure = text;
            return false;
        }
    }
    for (unsigned i = start; i < end; i++) {
        Fiber& f = launch->fibers[i];
        launch->exchanged[i] = f.put;
        launch->took_part[i] = !f.done;
        f.waits = Waits::nothing;
        f.warp_epoch++;
    }
    return true;
}

void run_block(unsigned order, std::mt19937& random) {
    Launch& l = *launch;
    unsigned count = l.fibers.size();
    for (unsigned i = 0; i < count; i++) begin(l.fibers[i], i);
    begin_block_memory();
    std::vector<unsigned> sequence(count);
    std::iota(sequence.begin(), sequence.end(), 0);
    if (order == 1) std::reverse(sequence.begin(), sequence.end());
    for (bool live = true; live;) {
        if (order == 2) std::shuffle(sequence.begin(), sequence.end(), random);
        bool progress = false;
        for (unsigned i : sequence) {
            Fiber& fiber = l.fibers[i];
            if (fiber.done || fiber.waits != Waits::nothing) continue;
            l.running = &fiber;
            shim_switch(&l.main_stack_pointer, fiber.stack_pointer);
            progress = true;
            if (!l.failure.empty()) return;
        }
        live = std::any_of(l.fibers.begin(), l.fibers.end(), [](const Fiber& f) { return !f.done; });
        if (!live) return;
        bool opened = open_block();
        for (unsigned start = 0; start < count; start += 32) opened |= open_warp(start);
        if (!l.failure.empty()) return;
        if (!opened && !progress) return describe_waiting();
    }
}

}  // namespace

dim3 thread_index() { return launch->running->index; }
dim3 block_index() { return launch->index; }
dim3 block_size() { return launch->block; }
dim3 grid_size() { return launch->grid; }
unsigned lane() { return launch->running->linear % 32; }

void wait_for_block(const char* file, int line) {
    Fiber& f = *launch->running;
    f.waits = Waits::block, f.file = file, f.line = line;
    leave();
}

void wait_for_warp(unsigned mask, uint64_t value, const char* file, int line) {
    Fiber& f = *launch->running;
    f.waits = Waits::warp, f.file = file, f.line = line, f.mask = mask, f.put = value;
    leave();
}

uint64_t taken(unsigned lane) {
    unsigned at = launch->running->linear / 32 * 32 + lane;
    if (at >= launch->fibers.size() || !launch->took_part[at]) fail("a shuffle reads lane %u, which is not live", lane);
    return launch->exchanged[at];
}

void fail(const char* form, ...) {
    char text[512];
    va_list rest;
    va_start(rest, form);
    vsnprintf(text, sizeof text, form, rest);
    va_end(rest);
    launch->failure = text;
    leave();
    __builtin_unreachable();
}

void add_kernel(Kernel kernel) { kernels()[kernel.name] = kernel; }

bool on_a_stack(uintptr_t at) { return at - reinterpret_cast<uintptr_t>(stacks) < MOST * (STACK + GUARD); }

}  // namespace shim

/// Runs one launch to its end. `order`: 0 forward, 1 backward, 2 at random by `seed`, for threads and blocks. `kinds` are those
/// of `arguments`. On failure 1, and what happened in `message`. One launch at a time: callers hold a lock.
extern "C" int shim_launch(const char* name, const unsigned* grid, const unsigned* block, size_t shared,
                           void** arguments, const char* kinds, unsigned order, unsigned seed, char* message,
                           size_t room) {
    using namespace shim;
    static uint64_t serial = 1;
    auto refuse = [&](const std::string& why) {
        snprintf(message, room, "%s: %s", name, why.c_str());
        return 1;
    };
    auto found = kernels().find(name);
    if (found == kernels().end()) return refuse("no such kernel");
    const Kernel& kernel = found->second;
    if (strcmp(kernel.kinds, kinds) != 0)
        return refuse(std::string("takes (") + kernel.kinds + "), was given (" + kinds + ")");
    unsigned threads = block[0] * block[1] * block[2];
    if (threads == 0 || threads > kernel.most_threads || grid[0] == 0 || grid[1] - 1 > 65534 || grid[2] - 1 > 65534)
        return refuse("a grid of " + std::to_string(grid[0]) + "," + std::to_string(grid[1]) + "," +
                      std::to_string(grid[2]) + " blocks of " + std::to_string(threads) + " threads");
    if (shared > 48 << 10)
        return refuse(std::to_string(shared) + " bytes of shared memory; 48 KiB is what every device has");
    make_stacks();
    Launch current;
    current.grid = {grid[0], grid[1], grid[2]};
    current.block = {block[0], block[1], block[2]};
    current.fibers.resize(threads);
    current.exchanged.resize(threads);
    current.took_part.resize(threads);
    current.kernel = &kernel;
    current.arguments = arguments;
    launch = &current;
    set_dynamic_shared(shared);
    std::mt19937 random(seed);
    std::vector<unsigned> blocks(size_t{grid[0]} * grid[1] * grid[2]);
    std::iota(blocks.begin(), blocks.end(), 0);
    if (order == 1) std::reverse(blocks.begin(), blocks.end());
    if (order == 2) std::shuffle(blocks.begin(), blocks.end(), random);
    current.first_serial = serial;
    for (unsigned at : blocks) {
        current.index = {at % grid[0], at / grid[0] % grid[1], at / (grid[0] * grid[1])};
        current.serial = serial++;
        run_block(order, random);
        if (!current.failure.empty()) break;
    }
    launch = nullptr;
    if (current.failure.empty()) return 0;
    dim3 b = current.index, t = current.running ? current.running->index : dim3{};
    char place[96];
    snprintf(place, sizeof place, "block (%u,%u,%u), thread (%u,%u,%u): ", b.x, b.y, b.z, t.x, t.y, t.z);
    return refuse(place + current.failure);
}
