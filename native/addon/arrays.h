// Typed arrays in: kind and length are checked, because an unchecked cast reads floats as doubles or runs
// past the end. lib/ has validated everything else; reaching an error here through lib/ is a bug of lib/.
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace exo {

template <class T>
constexpr napi_typedarray_type array_kind();
template <>
constexpr napi_typedarray_type array_kind<double>() {
  return napi_float64_array;
}
template <>
constexpr napi_typedarray_type array_kind<float>() {
  return napi_float32_array;
}
template <>
constexpr napi_typedarray_type array_kind<std::int32_t>() {
  return napi_int32_array;
}
template <>
constexpr napi_typedarray_type array_kind<std::uint8_t>() {
  return napi_uint8_array;
}

// Numbers in an array of these dimensions; the largest size there is where that has no size, which no array
// is as long as.
inline std::size_t times(std::initializer_list<std::size_t> dimensions) {
  std::size_t product = 1;
  bool over = false;
  for (const std::size_t n : dimensions) {
    if (n == 0) return 0;
    over = over || product > SIZE_MAX / n;
    product *= n;
  }
  return over ? SIZE_MAX : product;
}

// Reads the fields of one request object and remembers every array whose memory it hands out.
class Request {
 public:
  explicit Request(Napi::Object object) : object_(object) {}

  // A number of 53 bits, such as a seed; where a size has 32 bits it does not fit one.
  std::uint64_t whole(const char* name) const {
    const Napi::Value value = field(name);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0 && number <= 9007199254740991.0 &&
          number == static_cast<double>(static_cast<std::int64_t>(number))))
      throw Napi::TypeError::New(object_.Env(), std::string(name) + ": expected a non-negative integer");
    return static_cast<std::uint64_t>(number);
  }

  std::size_t size(const char* name) const {
    const std::uint64_t number = whole(name);
    if (number > SIZE_MAX)
      throw Napi::RangeError::New(object_.Env(), std::string(name) + ": more than memory can hold");
    return static_cast<std::size_t>(number);
  }

  double number(const char* name) const {
    const Napi::Value value = field(name);
    if (!value.IsNumber())
      throw Napi::TypeError::New(object_.Env(), std::string(name) + ": expected a number");
    return value.As<Napi::Number>().DoubleValue();
  }

  bool flag(const char* name) const { return field(name).ToBoolean(); }

  // Whether the field is there: one that is null in lib/ is not.
  bool has(const char* name) const { return field(name).IsNumber() || field(name).IsTypedArray(); }

  // The fields whose names begin with this one and a point: requests that hold others are one flat table.
  Request inside(const std::string& name) const {
    Request inner(object_);
    inner.prefix_ = prefix_ + name + ".";
    return inner;
  }
  // Arrays that have been read of such a part belong to the whole, which keeps them alive.
  void keep(const Request& part) { arrays_.insert(arrays_.end(), part.arrays_.begin(), part.arrays_.end()); }

  template <class T>
  T* array(const char* name, std::size_t length) {
    const Napi::Value value = field(name);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != array_kind<T>())
      throw Napi::TypeError::New(object_.Env(),
                                 std::string(name) + ": expected a typed array of another kind");
    const auto typed = value.As<Napi::TypedArray>();
    if (typed.ElementLength() != length)
      throw Napi::RangeError::New(object_.Env(), std::string(name) + ": expected " + std::to_string(length) +
                                                     " elements but received " +
                                                     std::to_string(typed.ElementLength()));
    arrays_.push_back(value.As<Napi::Object>());
    return value.As<Napi::TypedArrayOf<T>>().Data();
  }

  // Of any length, which the caller checks.
  template <class T>
  std::pair<T*, std::size_t> array(const char* name) {
    const Napi::Value value = field(name);
    const std::size_t length = value.IsTypedArray() ? value.As<Napi::TypedArray>().ElementLength() : 0;
    return {array<T>(name, length), length};
  }

  const std::vector<Napi::Object>& arrays() const { return arrays_; }
  Napi::Env env() const { return object_.Env(); }

 private:
  Napi::Value field(const char* name) const { return object_.Get((prefix_ + name).c_str()); }

  Napi::Object object_;
  std::string prefix_;
  std::vector<Napi::Object> arrays_;
};

}  // namespace exo
