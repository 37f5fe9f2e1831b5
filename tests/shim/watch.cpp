// Every access of a kernel to memory is seen here: kernels are compiled with the hooks of -fsanitize=thread, and these are
// ours instead of the sanitizer's. Found at once, whatever the order of threads: accesses outside every buffer, values read
// that nobody wrote, and races: two accesses to a word, one a write, that no barrier orders. Blocks of one launch are never
// ordered. Alignment of vector loads and bounds of arrays come from the hooks of -fsanitize=alignment,bounds.
#include "state.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

extern "C" {
extern char __start_shim_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_shim_shared[] __attribute__((weak, visibility("hidden")));
}

namespace shim {
namespace {

constexpr uint64_t HOST = 0, MANY_BLOCKS = ~0ull;
constexpr uint32_t MANY = ~0u;
constexpr unsigned WORD = 4;  // bytes

/// Who touched a word last; `thread` or `warp` MANY where several did since the last barrier.
struct Access {
    uint64_t launch = HOST, block = HOST;
    uint32_t thread = 0, warp = 0, epoch = 0, warp_epoch = 0;
};

/// What the launch in progress may do with a word: bits 1 read, 2 write.
constexpr uint8_t MAY_READ = 1, MAY_WRITE = 2;

struct Shadow {
    Access write, read;
    bool written = false;
    uint8_t allowed = 0;
};

struct Region {
    uintptr_t start = 0;
    size_t bytes = 0;
    std::string name;
    std::vector<Shadow> words;
    // the mapping around a buffer
    void* mapping = nullptr;
    size_t mapped = 0;

    bool holds(uintptr_t at) const { return at - start < bytes; }
};

std::vector<Region*>& buffers() {
    static std::vector<Region*> all;
    return all;
}
Region dynamic, fixed;
/// The buffer of the latest access; most go there again.
Region* last = nullptr;
std::vector<char> dynamic_memory;

/// Whether a barrier, or the end of a launch, lies between an access and the present one.
bool ordered(const Access& before, const Access& now) {
    if (before.launch != now.launch) return true;
    if (before.block != now.block) return false;
    if (before.thread == now.thread || before.epoch != now.epoch) return true;
    return before.warp == now.warp && before.warp_epoch != now.warp_epoch;
}

void merge_read(Access& read, const Access& now) {
    if (read.launch != now.launch || (read.block == now.block && read.epoch != now.epoch)) {
        read = now;
    } else if (read.block != now.block) {
        read.block = MANY_BLOCKS;
    } else if (read.warp != now.warp) {
        read.warp = read.thread = MANY;
    } else if (read.warp_epoch != now.warp_epoch) {
        read = now;
    } else if (read.thread != now.thread) {
        read.thread = MANY;
    }
}

void touch(Region& region, uintptr_t at, size_t size, bool write) {
    if (!region.holds(at + size - 1)) {
        fail("%s of %zu bytes at byte %zu of %s, which has %zu", write ? "a write" : "a read", size,
             size_t(at - region.start), region.name.c_str(), region.bytes);
    }
    const Fiber& f = *launch->running;
    Access now{launch->first_serial, launch->serial, f.linear, f.linear / 32, f.epoch, f.warp_epoch};
    for (uintptr_t word = (at - region.start) / WORD; word <= (at + size - 1 - region.start) / WORD; word++) {
        Shadow& shadow = region.words[word];
        if (!(shadow.allowed & (write ? MAY_WRITE : MAY_READ)))
            fail(
                "a %s of word %zu of %s, %s", write ? "write" : "read", size_t(word), region.name.c_str(),
                shadow.allowed ? "which was handed over for the opposite" : "which was not handed over to this launch");
        auto race = [&](const char* other, const Access& before) {
            fail("race on word %zu of %s: a %s by thread %d, a %s by thread %u of %s, no barrier between", size_t(word),
                 region.name.c_str(), other, int(before.thread), write ? "write" : "read", now.thread,
                 before.block == now.block ? "the same block" : "another block");
        };
        if (!ordered(shadow.write, now)) race("write", shadow.write);
        if (write) {
            if (!ordered(shadow.read, now)) race("read", shadow.read);
            shadow.write = now;
            shadow.written = true;
        } else {
            if (!shadow.written) fail("word %zu of %s is read, nobody wrote it", size_t(word), region.name.c_str());
            merge_read(shadow.read, now);
        }
    }
}

/// Addresses of this library: tables of constants.
bool in_this_library(uintptr_t at) {
    static uintptr_t start = 0, end = 0;
    if (!start) {
        Dl_info own;
        dladdr(reinterpret_cast<void*>(&in_this_library), &own);
        start = reinterpret_cast<uintptr_t>(own.dli_fbase);
        auto find = [](dl_phdr_info* info, size_t, void*) {
            if (info->dlpi_addr != start) return 0;
            for (int i = 0; i < info->dlpi_phnum; i++)
                if (info->dlpi_phdr[i].p_type == PT_LOAD)
                    end = std::max<uintptr_t>(end, start + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz);
            return 1;
        };
        dl_iterate_phdr(find, nullptr);
    }
    return at >= start && at < end;
}

void access(void* pointer, size_t size, bool write) {
    if (!launch) return;  // at load time
    auto at = reinterpret_cast<uintptr_t>(pointer);
    if (on_a_stack(at)) return;
    if (dynamic.holds(at)) return touch(dynamic, at, size, write);
    if (fixed.holds(at)) return touch(fixed, at, size, write);
    if (last && last->holds(at)) return touch(*last, at, size, write);
    for (Region* region : buffers()) {
        if (region->holds(at)) return touch(*(last = region), at, size, write);
    }
    if (!write && in_this_library(at)) return;
    // the nearest buffer below says most about what went wrong
    const Region* near = nullptr;
    for (const Region* region : buffers())
        if (region->start <= at && (!near || region->start > near->start)) near = region;
    const char* kind = write ? "a write" : "a read";
    if (near && at - near->start < (64 << 20))
        fail("%s outside every buffer: %zu bytes after the end of %s", kind, size_t(at - near->start - near->bytes),
             near->name.c_str());
    fail("%s outside every buffer, at %p", kind, pointer);
}

void begin_shared(Region& region) {
    memset(reinterpret_cast<void*>(region.start), 0xff, region.bytes);  // NaN
    Shadow fresh;
    fresh.allowed = MAY_READ | MAY_WRITE;
    region.words.assign((region.bytes + WORD - 1) / WORD, fresh);
}

/// The buffer that holds these bytes, and the words of it that they are.
Region* find(void* pointer, size_t bytes, size_t& first, size_t& end) {
    auto at = reinterpret_cast<uintptr_t>(pointer);
    for (Region* region : buffers()) {
        if (at < region->start || at + bytes > region->start + region->bytes) continue;
        first = (at - region->start) / WORD, end = first + bytes / WORD;
        return region;
    }
    abort();  // the host's own mistake
}

constexpr size_t PAGE = 4096;

}  // namespace

void* dynamic_shared() { return reinterpret_cast<void*>(dynamic.start); }

void set_dynamic_shared(size_t bytes) {
    if (dynamic_memory.size() < bytes + 256) dynamic_memory.resize(bytes + 256);
    dynamic.start = (reinterpret_cast<uintptr_t>(dynamic_memory.data()) + 127) / 128 * 128;
    dynamic.bytes = bytes;
    dynamic.name = "dynamic shared memory";
    fixed.start = reinterpret_cast<uintptr_t>(__start_shim_shared);
    fixed.bytes = size_t(__stop_shim_shared - __start_shim_shared);
    fixed.name = "static shared memory";
}

void begin_block_memory() {
    begin_shared(dynamic);
    if (fixed.bytes) begin_shared(fixed);
}

}  // namespace shim

/// A buffer of its own between pages that nothing may touch, filled with NaN, its end at the second of these pages (but for
/// rounding to 16 bytes, what vector loads need).
extern "C" void* shim_allocate(const char* name, size_t bytes) {
    using namespace shim;
    size_t padded = (bytes + 15) / 16 * 16, inside = (std::max<size_t>(padded, 1) + PAGE - 1) / PAGE * PAGE;
    void* at = mmap(nullptr, inside + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    char* first = static_cast<char*>(at);
    mprotect(first, PAGE, PROT_NONE);
    mprotect(first + PAGE + inside, PAGE, PROT_NONE);
    memset(first + PAGE, 0xff, inside);
    auto* region = new Region;
    region->start = reinterpret_cast<uintptr_t>(first + PAGE + inside - padded);
    region->bytes = bytes;
    region->name = name;
    region->words.resize((bytes + WORD - 1) / WORD);
    region->mapping = at;
    region->mapped = inside + 2 * PAGE;
    buffers().push_back(region);
    return reinterpret_cast<void*>(region->start);
}

/// The host has written these bytes.
extern "C" void shim_written(void* pointer, size_t bytes) {
    size_t first, end;
    shim::Region* region = shim::find(pointer, bytes, first, end);
    for (size_t i = first; i < end; i++) region->words[i].written = true;
}

/// The next launch may read (bit 1) or write (bit 2) these bytes. What it may only write holds NaN and counts as not written.
extern "C" void shim_hand_over(void* pointer, size_t bytes, int mode) {
    size_t first, end;
    shim::Region* region = shim::find(pointer, bytes, first, end);
    for (size_t i = first; i < end; i++) {
        region->words[i].allowed |= mode;
        if (mode == shim::MAY_WRITE) region->words[i].written = false;
    }
    if (mode == shim::MAY_WRITE) memset(pointer, 0xff, bytes);
}

/// After the launch: the first word that nobody wrote, or -1.
extern "C" long shim_take_back(void* pointer, size_t bytes) {
    size_t first, end;
    long missing = -1;
    shim::Region* region = shim::find(pointer, bytes, first, end);
    for (size_t i = end; i-- > first;) {
        region->words[i].allowed = 0;
        if (!region->words[i].written) missing = long(i - first);
    }
    return missing;
}

extern "C" void shim_free(void* pointer) {
    auto& all = shim::buffers();
    for (size_t i = 0; i < all.size(); i++) {
        if (all[i]->start != reinterpret_cast<uintptr_t>(pointer)) continue;
        shim::last = nullptr;
        munmap(all[i]->mapping, all[i]->mapped);
        delete all[i];
        all.erase(all.begin() + i);
        return;
    }
}

// The hooks that the compiler calls.
#define HIDDEN __attribute__((visibility("hidden")))
extern "C" {
HIDDEN void __tsan_init() {}
HIDDEN void __tsan_func_entry(void*) {}
HIDDEN void __tsan_func_exit() {}
HIDDEN void __tsan_read_range(void* at, size_t size) { shim::access(at, size, false); }
HIDDEN void __tsan_write_range(void* at, size_t size) { shim::access(at, size, true); }
#define ACCESS(size)                                                                     \
    HIDDEN void __tsan_read##size(void* at) { shim::access(at, size, false); }           \
    HIDDEN void __tsan_write##size(void* at) { shim::access(at, size, true); }           \
    HIDDEN void __tsan_unaligned_read##size(void* at) { shim::access(at, size, false); } \
    HIDDEN void __tsan_unaligned_write##size(void* at) { shim::access(at, size, true); }
ACCESS(1)
ACCESS(2)
ACCESS(4) ACCESS(8) ACCESS(16)

    // As GCC and Clang lay out what they hand over.
    struct Place {
    const char* file;
    uint32_t line, column;
};
struct Mismatch {
    Place place;
    const void* type;
    unsigned char log_alignment, kind;
};
HIDDEN void __ubsan_handle_type_mismatch_v1(Mismatch* data, void* pointer) {
    shim::fail("line %u: %p is not aligned to %d bytes", data->place.line, pointer, 1 << data->log_alignment);
}
HIDDEN void __ubsan_handle_out_of_bounds(Place* place, size_t index) {
    shim::fail("line %u: index %zu lies outside its array", place->line, index);
}
}
