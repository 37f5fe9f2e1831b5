// What the parts of the runtime share about the launch in progress. Kernels never see it.
#pragma once
#include "runtime.h"
#include <string>
#include <vector>

namespace shim {

enum class Waits { nothing, block, warp };

struct Fiber {
    void* stack_pointer = nullptr;
    dim3 index;
    unsigned linear = 0;
    bool done = false;
    Waits waits = Waits::nothing;
    /// Where and with what it waits.
    const char* file = nullptr;
    int line = 0;
    unsigned mask = 0;
    uint64_t put = 0;
    /// Block barriers passed, and barriers of its warp since the last one: what orders its accesses to memory.
    uint32_t epoch = 0, warp_epoch = 0;
};

struct Launch {
    dim3 grid, block, index;
    std::vector<Fiber> fibers;
    Fiber* running = nullptr;
    void* main_stack_pointer = nullptr;
    std::vector<uint64_t> exchanged;  // per thread: what its lane put down at the last barrier of its warp
    std::vector<bool> took_part;      // whether it did
    const Kernel* kernel = nullptr;
    void** arguments = nullptr;
    /// Numbers all blocks of all launches; 0 is the host.
    uint64_t serial = 0, first_serial = 0;
    std::string failure;
};

extern Launch* launch;

/// Memory of one block, poisoned and with no history.
void begin_block_memory();
void set_dynamic_shared(size_t bytes);

/// The addresses of all fibers' stacks.
bool on_a_stack(uintptr_t at);

}  // namespace shim
