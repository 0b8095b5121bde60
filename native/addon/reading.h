// What the readers of requests share: one object in, its ranges checked, the kernels of this machine.
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "addon/arrays.h"
#include "core/dispatch.h"

namespace exo {

inline void check(const Request& request, bool holds, const char* what) {
  if (!holds) throw Napi::RangeError::New(request.env(), what);
}

inline Request request_of(const Napi::CallbackInfo& info) {
  if (info.Length() != 1 || !info[0].IsObject())
    throw Napi::TypeError::New(info.Env(), "expected one request object");
  return Request(info[0].As<Napi::Object>());
}

inline const Kernels& kernels_of(const Request& request) {
  const KernelChoice& choice = chosen_kernels();
  if (!choice.table) throw Napi::Error::New(request.env(), choice.error);
  return *choice.table;
}

// Numbers for each of so many.
inline std::size_t columns_of(Request& request, const char* name, std::size_t count) {
  const std::size_t length = request.array<double>(name).second;
  if (count == 0 || length % count != 0)
    throw Napi::RangeError::New(request.env(), std::string(name) + ": ragged");
  return length / count;
}

// A share of the largest eigenvalue: at 1 not even that one would be kept, and no direction be left.
inline double tolerance_of(const Request& r) {
  const double tolerance = r.number("relativeTolerance");
  check(r, tolerance >= 0 && tolerance < 1, "relativeTolerance: expected a number from 0 up to 1");
  return tolerance;
}

// Ascending, so that one solution serves all.
inline std::pair<std::int32_t*, std::size_t> latent_dims_of(Request& r) {
  const auto latents = r.array<std::int32_t>("latentDims");
  check(r, latents.second > 0 && latents.first[0] > 0, "latentDims: expected at least one");
  for (std::size_t i = 1; i < latents.second; ++i)
    check(r, latents.first[i] >= latents.first[i - 1], "latentDims: expected ascending order");
  return latents;
}

// The fold and the group of each unit; a group, which is refitted without, lies in one fold.
inline std::pair<std::int32_t*, std::int32_t*> read_folds(Request& r, std::size_t units, std::size_t folds,
                                                          std::size_t groups) {
  std::int32_t* fold = r.array<std::int32_t>("fold", units);
  std::int32_t* group = r.array<std::int32_t>("group", units);
  std::vector<std::int32_t> fold_of(groups, -1);
  for (std::size_t u = 0; u < units; ++u) {
    check(r, fold[u] >= 0 && static_cast<std::size_t>(fold[u]) < folds, "fold: out of range");
    check(r, group[u] >= 0 && static_cast<std::size_t>(group[u]) < groups, "group: out of range");
    std::int32_t& of = fold_of[static_cast<std::size_t>(group[u])];
    check(r, of < 0 || of == fold[u], "group: expected to lie in one fold");
    of = fold[u];
  }
  return {fold, group};
}

}  // namespace exo
