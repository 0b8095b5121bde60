// What a WebAssembly instance exports: memory to write a request to, and the addon's calls by number.
#include <napi.h>

#include <cstdlib>
#include <new>

// There are no exceptions here: what would be thrown ends the instance, as an error's New does before
// (napi.h).
extern "C" {
void* __cxa_allocate_exception(std::size_t) {
  static double spare[64];
  return spare;
}
[[noreturn]] void __cxa_throw(void*, void*, void*) {
  static const char message[] = "an exception of the core";
  exolam_fail(Napi::ERROR, message, sizeof message - 1);
}
}

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

// Once, before all else.
EXPORT(start) void exolam_start() {
  // A stage that finds no memory ends with its instance.
  std::set_new_handler([] { exolam_fail(Napi::OUT_OF_MEMORY, "", 0); });
  Napi::set_calls();
}

// The name of call `index`; null beyond the last.
EXPORT(call_name) const char* exolam_call_name(std::size_t index) {
  return index < Napi::calls().size() ? Napi::calls()[index].name : nullptr;
}

// 64-byte aligned; null where there is no memory.
EXPORT(allocate) void* exolam_allocate(std::size_t bytes) {
  return bytes > SIZE_MAX - 63 ? nullptr : std::aligned_alloc(64, (bytes + 63) / 64 * 64);
}
EXPORT(release) void exolam_release(void* memory) { std::free(memory); }

EXPORT(call) double exolam_call(std::size_t index, const Napi::Field* fields, std::size_t count) {
  Napi::Value request;
  request.fields = fields;
  request.count = count;
  return Napi::calls()[index].callback(Napi::CallbackInfo(request)).DoubleValue();
}
