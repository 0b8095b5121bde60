// Features of latents and their errors across folds (lib/backend/judging-requests.ts).
#include "addon/calls.h"

#include <tuple>

#include "addon/reading.h"
#include "addon/task.h"
#include "core/judging.h"

namespace exo {
namespace {

// featureMoments(request: FeatureMomentsRequest & { mapSizes, mapNumbers, moments }): Promise<void>
// mapSizes (maps, 3): begin, size and count of each; mapNumbers: frequencies, then phases, map after map.
Napi::Value feature_moments_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  FeatureMomentsBatch b{};
  b.rows = r.size("rows");
  b.inputs = r.size("inputs");
  b.units = r.size("units");
  check(r, b.inputs > 0 && b.units > 0, "inputs, units: expected at least one");
  b.data = r.array<double>("data", times({b.rows, b.inputs}));
  b.unit = r.array<std::int32_t>("unit", b.rows);
  for (std::size_t i = 0; i < b.rows; ++i)
    check(r, b.unit[i] >= 0 && static_cast<std::size_t>(b.unit[i]) < b.units, "unit: out of range");
  const auto sizes = r.array<std::int32_t>("mapSizes");
  const auto numbers = r.array<double>("mapNumbers");
  std::size_t taken = 0;
  for (std::size_t m = 0; m + 2 < sizes.second; m += 3) {
    const std::int32_t* s = sizes.first + m;
    check(r, s[0] >= 0 && s[1] > 0 && s[2] > 0, "mapSizes: out of range");
    FeatureMap map{static_cast<std::size_t>(s[0]), static_cast<std::size_t>(s[1]),
                   static_cast<std::size_t>(s[2]), numbers.first + taken, nullptr};
    check(r, map.begin + map.size <= b.inputs, "mapSizes: beyond the inputs");
    const std::size_t frequencies = times({map.count, map.size});
    check(r, taken + frequencies + map.count <= numbers.second, "mapNumbers: too few");
    map.phases = map.frequencies + frequencies;
    taken += frequencies + map.count;
    b.maps.push_back(map);
  }
  const std::size_t w = b.width();
  b.moments = r.array<double>("moments", times({b.units, w, w}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { feature_moments(kernels, b, job); });
}

// nestedErrors(request: NestedRequest & NestedAnswer & { shape, columns }): Promise<void>
// shape: for each question the numbers of its given, added, free and target columns; columns: given, added
// and (first, width) of each target, question after question.
Napi::Value nested_errors_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  NestedBatch b{};
  b.units = r.size("units");
  b.width = r.size("width");
  b.folds = r.size("folds");
  b.groups = r.size("groups");
  check(r, b.units > 0 && b.width > 1 && b.folds > 2 && b.groups > 1,
        "units, width, folds, groups: expected more");
  b.moments = r.array<double>("moments", times({b.units, b.width, b.width}));
  std::tie(b.fold, b.group) = read_folds(r, b.units, b.folds, b.groups);
  const auto shape = r.array<std::int32_t>("shape");
  const auto columns = r.array<std::int32_t>("columns");
  std::size_t taken = 0;
  const auto next = [&]() {
    check(r, taken < columns.second && columns.first[taken] >= 0, "columns: out of range");
    return static_cast<std::size_t>(columns.first[taken++]);
  };
  for (std::size_t q = 0; q + 3 < shape.second; q += 4) {
    NestedQuestion question;
    for (std::int32_t i = 0; i < shape.first[q]; ++i) question.given.push_back(next());
    for (std::int32_t i = 0; i < shape.first[q + 1]; ++i) question.added.push_back(next());
    check(r, shape.first[q + 2] >= 0 && shape.first[q + 2] <= shape.first[q + 1], "shape: out of range");
    question.free = static_cast<std::size_t>(shape.first[q + 2]);
    for (std::int32_t i = 0; i < shape.first[q + 3]; ++i) {
      const std::size_t begin = next();
      question.targets.push_back({begin, next()});
    }
    for (const auto& of : {question.given, question.added})
      for (const std::size_t c : of) check(r, c > 0 && c < b.width, "columns: beyond the moments");
    for (const auto& t : question.targets)
      check(r, t.begin > 0 && t.size > 0 && t.begin + t.size <= b.width, "columns: beyond the moments");
    b.questions.push_back(std::move(question));
  }
  const auto grid = r.array<double>("grid");
  b.grid = grid.first;
  b.grid_size = grid.second;
  const std::size_t targets = b.targets();
  check(r, b.grid_size > 0 && targets > 0, "grid, columns: expected at least one");
  b.held = r.array<double>("held", times({targets, 2, b.units}));
  b.training = r.array<double>("training", times({targets, 2}));
  b.replicates = r.array<double>("replicates", times({targets, 2, b.groups}));
  b.ridges = r.array<double>("ridges", times({targets, 2, b.folds}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { nested_errors(kernels, b, job); });
}

}  // namespace

void export_judging(Napi::Env env, Napi::Object exports) {
  exports.Set("featureMoments", Napi::Function::New(env, feature_moments_call));
  exports.Set("nestedErrors", Napi::Function::New(env, nested_errors_call));
}

}  // namespace exo
