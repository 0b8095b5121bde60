// As much of node-addon-api as native/addon/ uses, where there is no Node: requests are tables in the heap of
// a WebAssembly instance, written by lib/backend/wasm/instance.ts. So the addon's own readers, with every
// check of a kind, a length and a range, are what WebAssembly runs, and a new call of the addon is there at
// once.
//
// What a call returns is a number or nothing. An error's New does not return: the host throws it through the
// instance, which it then gives up.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

// kind: ErrorKind below. Does not return.
extern "C" [[noreturn]] __attribute__((import_module("exolam"), import_name("fail"))) void exolam_fail(
    std::int32_t kind, const char* message, std::size_t length);

enum napi_typedarray_type : std::int32_t {
  napi_float64_array = 8,
  napi_float32_array,
  napi_int32_array,
  napi_uint8_array,
};

namespace Napi {

enum ErrorKind : std::int32_t { ERROR, TYPE_ERROR, RANGE_ERROR, OUT_OF_MEMORY };

// One field of a request. kind: 1 a number (a boolean is 0 or 1), or a napi_typedarray_type.
struct Field {
  const char* name;
  std::int32_t kind;
  double number;
  void* data;
  std::size_t length;
};
static_assert(sizeof(Field) == 24 || sizeof(void*) != 4, "lib/backend/wasm/instance.ts writes 24 bytes");

struct Value;
struct Env {
  Value Undefined() const;
  template <class T>
  void SetInstanceData(T*) const {}
  template <class Hook, class T>
  void AddCleanupHook(Hook, T*) const {}
};

struct Object;

struct Value {
  Field field{};
  const Field* fields = nullptr;
  std::size_t count = 0;

  Value() = default;
  Value(double number) { field = {"", 1, number, nullptr, 0}; }
  bool IsNumber() const { return field.kind == 1; }
  bool IsTypedArray() const { return field.kind >= napi_float64_array; }
  bool IsObject() const { return fields != nullptr; }
  bool ToBoolean() const { return field.kind == 1 && field.number != 0; }
  double DoubleValue() const { return field.number; }
  napi_typedarray_type TypedArrayType() const { return static_cast<napi_typedarray_type>(field.kind); }
  std::size_t ElementLength() const { return field.length; }
  template <class T>
  T As() const;
};

struct Number : Value {
  static Value New(Env, double number) { return number; }
};
struct TypedArray : Value {};
template <class T>
struct TypedArrayOf : Value {
  T* Data() const { return static_cast<T*>(field.data); }
};

using Callback = Value (*)(const class CallbackInfo&);
struct Call {
  const char* name;
  Callback callback;
};
// What the addon has set as its exports.
inline std::vector<Call>& calls() {
  static std::vector<Call> all;
  return all;
}

// Of a request; an object that a call makes is read by nobody.
struct Object : Value {
  static Object New(Napi::Env) { return {}; }
  Napi::Env Env() const { return {}; }
  Value Get(const char* name) const {
    for (std::size_t i = 0; i < count; ++i)
      if (std::strcmp(fields[i].name, name) == 0) {
        Value value;
        value.field = fields[i];
        return value;
      }
    return {};
  }
  template <class T>
  void Set(const char*, const T&) {}
  void Set(const char* name, Callback callback) { calls().push_back({name, callback}); }
};
struct Array : Value {
  static Array New(Napi::Env) { return {}; }
  std::uint32_t Length() const { return 0; }
  void Set(std::uint32_t, const char*) {}
};

inline Value Env::Undefined() const { return {}; }

template <class T>
T Value::As() const {
  T other;
  static_cast<Value&>(other) = *this;
  return other;
}

class CallbackInfo {
 public:
  explicit CallbackInfo(const Value& request) : request_(request) {}
  std::size_t Length() const { return 1; }
  const Value& operator[](std::size_t) const { return request_; }
  Napi::Env Env() const { return {}; }

 private:
  Value request_;
};

struct Function {
  static Callback New(Env, Callback callback) { return callback; }
};

template <ErrorKind kind>
struct Thrown {
  [[noreturn]] static Thrown New(Env, const std::string& message) {
    exolam_fail(kind, message.data(), message.size());
  }
};
using Error = Thrown<ERROR>;
using TypeError = Thrown<TYPE_ERROR>;
using RangeError = Thrown<RANGE_ERROR>;

void set_calls();

}  // namespace Napi

#define NODE_API_MODULE(name, initialise) \
  void Napi::set_calls() { initialise({}, {}); }
