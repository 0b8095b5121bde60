#include "addon/train-sources.h"

#include <algorithm>

#include "addon/world.h"
#include "core/train/linear-world.h"
#include "core/train/rows-source.h"
#include "core/train/view-world.h"

namespace exo {
namespace {

constexpr const char* NO_DIMENSION = "source: dimensions: expected at least one";

SourceRequest linear_world(const Kernels& kernels, Request& r) {
  LinearWorldSpec s{};
  read_world(r, s, NO_DIMENSION);
  const std::size_t d = s.observation_dim, ds = s.endogenous_dim, dx = s.exogenous_dim, da = s.action_dim;
  s.mixing = r.array<double>("mixing", times({d, ds + dx}));
  s.square_mixing = r.flag("squareMixing");
  check(r, !s.square_mixing || d == ds, "source: squareMixing: expected endogenousDim = observationDim");
  return {make_linear_world(kernels, s), d, da, ds, dx, true, SIZE_MAX};
}

SourceRequest view_world(const Kernels& kernels, Request& r) {
  ViewWorldSpec s{};
  read_world(r, s, NO_DIMENSION);
  const std::size_t d = s.observation_dim, ds = s.endogenous_dim, dx = s.exogenous_dim, da = s.action_dim;
  const std::size_t kind = r.size("view.kind");
  std::int32_t size = 0;
  float numbers[5] = {};
  if (kind == static_cast<std::size_t>(ViewKind::SPRITES)) {
    size = static_cast<std::int32_t>(std::min<std::size_t>(r.size("view.size"), 1 << 15));
    const char* names[] = {"view.agentRadius", "view.distractorRadius", "view.agentBrightness",
                           "view.distractorBrightness", "view.spread"};
    for (std::size_t i = 0; i < 5; ++i) numbers[i] = static_cast<float>(r.number(names[i]));
    s.view = {ViewKind::SPRITES, &size, 1, numbers, 5};
  } else {
    check(r, kind == static_cast<std::size_t>(ViewKind::MLP), "source: view: unknown kind");
    const auto sizes = r.array<std::int32_t>("view.sizes");
    const auto weights = r.array<float>("view.weights");
    s.view = {ViewKind::MLP, sizes.first, sizes.second, weights.first, weights.second};
  }
  const char* fault = s.view.fault(ds, dx, d);
  check(r, !fault, fault);
  return {std::make_shared<ViewWorld>(kernels, s), d, da, ds, dx, true, SIZE_MAX};
}

// Of so many elements, or null where there are none.
template <class T>
T* optional(Request& r, const char* name, std::size_t length) {
  const auto array = r.array<T>(name);
  if (array.second == 0) return nullptr;
  return r.array<T>(name, length);
}

SourceRequest rows(Request& r) {
  RowsSpec s{};
  s.rows = r.size("rows");
  s.observation_dim = r.size("observationDim");
  s.action_dim = r.size("actionDim");
  s.exogenous_dim = r.size("exogenousDim");
  s.shuffled = r.flag("shuffled");
  const std::size_t d = s.observation_dim, n = s.rows;
  check(r, n > 0 && n <= INT32_MAX && d > 0, "source: rows and observationDim: expected at least one");
  const auto frames = r.array<float>("frames");
  check(r, frames.second % d == 0, "source: frames: ragged");
  s.frames = frames.first;
  const auto indices = [&](const char* name, std::size_t length) -> const std::int32_t* {
    const std::int32_t* at = optional<std::int32_t>(r, name, length);
    for (std::size_t i = 0; at && i < length; ++i)
      check(r, at[i] >= 0 && static_cast<std::size_t>(at[i]) < frames.second / d,
            "source: an index is beyond the frames");
    return at;
  };
  s.current = indices("current", n);
  s.next = indices("next", n);
  check(r, s.current && s.next, "source: expected current and next");
  s.pair = indices("pair", n);
  s.pair_next = indices("pairNext", n);
  const std::size_t later = r.array<std::int32_t>("later").second / n;
  s.later = indices("later", later * n);
  s.pair_later = indices("pairLater", later * n);
  s.action = optional<float>(r, "action", times({n, s.action_dim}));
  s.exogenous = optional<float>(r, "exogenous", times({n, s.exogenous_dim}));
  s.exogenous_next = optional<float>(r, "exogenousNext", times({n, s.exogenous_dim}));
  s.labelled = optional<std::uint8_t>(r, "labelled", n);
  const bool pair = s.pair && s.pair_next && (later == 0 || s.pair_later);
  return {make_rows_source(s), d, s.action_dim, 0, s.exogenous ? s.exogenous_dim : 0, pair, later};
}

// The numbering of SOURCE_KINDS (lib/backend/native-training.ts).
enum Kind { LINEAR_WORLD, ROWS, VIEW_WORLD };

}  // namespace

SourceRequest read_source(const Kernels& kernels, Request& source) {
  switch (source.size("kind")) {
    case LINEAR_WORLD:
      return linear_world(kernels, source);
    case ROWS:
      return rows(source);
    case VIEW_WORLD:
      return view_world(kernels, source);
    default:
      throw Napi::RangeError::New(source.env(), "source: unknown kind");
  }
}

}  // namespace exo
