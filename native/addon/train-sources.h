// The batch source of a request.
#pragma once
#include <memory>

#include "addon/arrays.h"
#include "core/train/source.h"
#include "kernels/kernels.h"

namespace exo {

// What a source is made of, read on the JavaScript thread, and its widths.
struct SourceRequest {
  std::shared_ptr<const BatchSource> source;
  std::size_t observation_dim, action_dim, endogenous_dim, exogenous_dim;
  bool pair;  // it has paired views
  // Observations after o' that it has; a world has as many as are asked for.
  std::size_t later;
};

// source: an object in the shape of BatchSource (lib/backend/batch-sources.ts). The request that it belongs
// to must keep() it: a source may point into its arrays.
SourceRequest read_source(const Kernels& kernels, Request& source);

}  // namespace exo
