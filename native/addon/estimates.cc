// Estimates with refits, from moments of units or from rows (lib/backend/requests.ts).
#include "addon/calls.h"

#include <string>
#include <tuple>

#include "addon/objective.h"
#include "addon/reading.h"
#include "addon/task.h"
#include "core/estimates.h"

namespace exo {
namespace {

// Every variable that an objective refers to is there, and as wide as o where it is an observation.
void require_variables(Request& r, const UnitLayout& at, const Objective& o) {
  const auto size_of = [&](std::int32_t variable) {
    switch (variable) {
      case OBSERVATION:
        return at.observation.size;
      case OBSERVATION_NEXT:
        return at.observation_next.size;
      case PAIR_OBSERVATION:
        return at.pair_observation.size;
      case PAIR_OBSERVATION_NEXT:
        return at.pair_observation_next.size;
      case ACTION:
        return at.action.size;
      default:
        return at.observation.size;
    }
  };
  const auto all = [&](const Stack& s) {
    for (std::int32_t b = 0; b < s.count; ++b)
      for (std::int32_t t = 0; t < s.blocks[b].count; ++t)
        check(r, size_of(s.blocks[b].terms[t].variable) > 0,
              "layout: an objective needs a variable that the moments lack");
  };
  for (const Stack* s : {&o.y, &o.f, &o.e}) all(*s);
  for (std::int32_t p = 0; p < o.penalty_count; ++p) {
    all(o.penalties[p].of);
    all(o.penalties[p].given);
  }
}

// First columns and widths of the variables of a row, within its width.
UnitLayout read_layout(Request& r) {
  UnitLayout layout{};
  layout.width = r.size("width");
  const std::int32_t* columns = r.array<std::int32_t>("layout", 16);
  Columns* variables[] = {&layout.observation,      &layout.observation_next,     &layout.action,
                          &layout.exogenous,        &layout.exogenous_next,       &layout.endogenous_next,
                          &layout.pair_observation, &layout.pair_observation_next};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::int32_t begin = columns[2 * i], size = columns[2 * i + 1];
    check(r, size >= 0 && (size == 0 || begin > 0), "layout: malformed");
    if (size == 0) continue;
    *variables[i] = {static_cast<std::size_t>(begin), static_cast<std::size_t>(size)};
    check(r, variables[i]->begin + variables[i]->size <= layout.width, "layout: beyond the moments");
  }
  const std::size_t d = layout.observation.size;
  check(r, d > 0 && layout.observation_next.size == d, "layout: expected o and o' of one width");
  for (const Columns* c : {&layout.pair_observation, &layout.pair_observation_next})
    check(r, c->size == 0 || c->size == d, "layout: expected a pair as wide as o");
  return layout;
}

// One array of values a variable, and what is taken off each column and multiplied with it.
RowSource read_rows(Request& r, const UnitLayout& layout, std::size_t units) {
  RowSource rows{};
  rows.count = r.size("rows");
  if (rows.count == 0) return rows;
  rows.unit = r.array<std::int32_t>("rowUnit", rows.count);
  for (std::size_t i = 0; i < rows.count; ++i)
    check(r, rows.unit[i] >= -1 && (rows.unit[i] < 0 || static_cast<std::size_t>(rows.unit[i]) < units),
          "rowUnit: out of range");
  const Columns* columns[] = {&layout.observation,      &layout.observation_next,     &layout.action,
                              &layout.exogenous,        &layout.exogenous_next,       &layout.endogenous_next,
                              &layout.pair_observation, &layout.pair_observation_next};
  for (std::size_t v = 0; v < 8; ++v) {
    const std::string at = std::to_string(v);
    const std::size_t width = columns[v]->size;
    rows.variables[v] = {width, r.array<double>(("values" + at).c_str(), rows.count * width),
                         r.array<double>(("mean" + at).c_str(), width),
                         r.array<double>(("factor" + at).c_str(), width)};
  }
  return rows;
}

// rowCovariance(request: RowCovarianceRequest & { out }): Promise<void>
Napi::Value row_covariance_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const UnitLayout layout = read_layout(r);
  const RowSource rows = read_rows(r, layout, SIZE_MAX);
  check(r, rows.count > 0, "rows: expected at least one");
  double* out = r.array<double>("out", times({layout.width - 1, layout.width - 1}));
  return Task::start(r, [layout, rows, out](const Kernels& kernels, Job& job) {
    row_covariance(kernels, layout, rows, out, job);
  });
}

// estimate(request: EstimatesRequest & EstimatesAnswer, objectives encoded one after another): Promise<void>
Napi::Value estimate_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  EstimatesBatch b{};
  b.units = r.size("units");
  b.folds = r.size("folds");
  b.groups = r.size("groups");
  check(r, b.units > 0 && b.folds > 2 && b.groups > 1, "units, folds, groups: expected more");
  b.layout = read_layout(r);
  const std::size_t w = b.layout.width, d = b.layout.observation.size;
  b.rows = read_rows(r, b.layout, b.units);
  check(r, b.rows.count == 0 || b.groups == b.folds, "groups: expected the folds, where there are rows");
  b.moments = r.array<double>("moments", b.rows.count ? 0 : times({b.units, w, w}));
  std::tie(b.fold, b.group) = read_folds(r, b.units, b.folds, b.groups);
  for (std::size_t u = 0; b.rows.count > 0 && u < b.units; ++u)
    check(r, b.group[u] == b.fold[u], "group: expected the fold, where there are rows");
  const auto projected = r.array<std::int32_t>("projectionDims");
  const std::size_t count = projected.second, coefficients = columns_of(r, "coefficients", count);
  const double* numbers = r.array<double>("coefficients").first;
  const auto projections = r.array<double>("projections");
  const double* gains = r.array<double>("gains", count);
  ObjectiveReader reader(r, coefficients);
  std::size_t taken = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Fitted f{};
    f.objective = reader.read();
    require_variables(r, b.layout, f.objective);
    check(r, projected.first[i] >= 0, "projectionDims: out of range");
    f.projected = static_cast<std::size_t>(projected.first[i]);
    f.projection = projections.first + taken;
    check(r, f.projected <= (projections.second - taken) / d, "projections: too few numbers");
    taken += f.projected * d;
    f.gain = gains[i];
    check(r, f.gain >= 0 && f.gain <= 1, "gains: expected at least 0 and at most 1");
    check(r, f.gain == 0 || b.layout.exogenous_next.size > 0, "gains: expected data with x'");
    for (std::size_t c = 0; c < coefficients; ++c) f.coefficients.push_back(numbers[c * count + i]);
    b.objectives.push_back(std::move(f));
  }
  const auto chosen = r.array<std::int32_t>("chosen");
  check(r, chosen.second == 0 || chosen.second == b.folds, "chosen: expected one for each fold, or none");
  for (std::size_t f = 0; f < chosen.second; ++f)
    check(r, chosen.first[f] >= 0 && static_cast<std::size_t>(chosen.first[f]) < count,
          "chosen: out of range");
  b.chosen = chosen.second ? chosen.first : nullptr;
  std::tie(b.latents, b.latent_count) = latent_dims_of(r);
  const auto grid = r.array<double>("grid");
  b.grid = grid.first;
  b.grid_size = grid.second;
  check(r, b.grid_size > 0, "grid: expected at least one ridge");
  const std::size_t size = times({b.answers(), b.latent_count, ESTIMATED_COUNT, 2});
  b.ridges = r.array<double>("ridges", b.folds);
  b.held = r.array<double>("held", times({size, b.units}));
  b.training = r.array<double>("training", size);
  b.replicates = r.array<double>("replicates", times({size, b.groups}));
  b.status = r.array<std::uint8_t>("status", 1);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { estimate(kernels, b, job); });
}

}  // namespace

void export_estimates(Napi::Env env, Napi::Object exports) {
  exports.Set("rowCovariance", Napi::Function::New(env, row_covariance_call));
  exports.Set("estimate", Napi::Function::New(env, estimate_call));
}

}  // namespace exo
