// The addon's exports: read arrays, start a task, done. Each mirrors a call of lib/backend/requests.ts.
#include <napi.h>

#include <thread>
#include <type_traits>

#include "addon/arrays.h"
#include "addon/judging.h"
#include "addon/objective.h"
#include "addon/signals.h"
#include "addon/task.h"
#include "addon/train.h"
#include "core/descent-batch.h"
#include "core/dispatch.h"
#include "core/estimates.h"
#include "core/sampling.h"
#include "core/stages.h"
#include "core/train-moments.h"
#include "core/wishart.h"

namespace exo {
namespace {

Request request_of(const Napi::CallbackInfo& info) {
  if (info.Length() != 1 || !info[0].IsObject())
    throw Napi::TypeError::New(info.Env(), "expected one request object");
  return Request(info[0].As<Napi::Object>());
}

std::size_t columns_of(Request& request, const char* name, std::size_t count) {
  const std::size_t length = request.array<double>(name).second;
  if (count == 0 || length % count != 0)
    throw Napi::RangeError::New(request.env(), std::string(name) + ": ragged");
  return length / count;
}

void check(Request& request, bool holds, const char* what) {
  if (!holds) throw Napi::RangeError::New(request.env(), what);
}

// A block that is seen through a projection is as wide as the projection has rows: with none there is no
// problem.
void require_projection(Request& request, const Objective& o, std::size_t projected) {
  const auto through = [](const Stack& s) {
    for (std::int32_t b = 0; b < s.count; ++b)
      if (s.blocks[b].projected) return true;
    return false;
  };
  bool needed = through(o.y) || through(o.f) || through(o.e);
  for (std::int32_t i = 0; i < o.penalty_count; ++i)
    needed = needed || through(o.penalties[i].of) || through(o.penalties[i].given);
  check(request, !needed || projected > 0,
        "projectionDim: the objective sees observations through a projection without rows");
}

Napi::Value info(const Napi::CallbackInfo& call) {
  const KernelChoice& choice = chosen_kernels();
  if (!choice.table) throw Napi::Error::New(call.Env(), choice.error);
  Napi::Object result = Napi::Object::New(call.Env());
  Napi::Array names = Napi::Array::New(call.Env());
  for (const Kernels* k : available_kernels()) names.Set(names.Length(), k->name);
  result.Set("isa", choice.table->name);
  result.Set("isas", names);
  result.Set("threads", static_cast<double>(std::max(1u, std::thread::hardware_concurrency())));
  return result;
}

// A share of the largest eigenvalue: at 1 not even that one would be kept, and no direction be left.
double tolerance_of(Request& r) {
  const double tolerance = r.number("relativeTolerance");
  check(r, tolerance >= 0 && tolerance < 1, "relativeTolerance: expected a number from 0 up to 1");
  return tolerance;
}

// What solvePopulation and descendPopulation are asked alike.
PopulationBatch read_worlds(Request& r) {
  PopulationBatch b{};
  b.count = r.size("count");
  b.basis = r.size("basis");
  b.endogenous = r.size("endogenousDim");
  b.exogenous = r.size("exogenousDim");
  b.action = r.size("actionDim");
  b.projected = r.size("projectionDim");
  check(r, b.count > 0, "count: expected at least one");
  b.objective = ObjectiveReader(r, columns_of(r, "coefficients", b.count)).read();
  require_projection(r, b.objective, b.projected);
  b.parameters = r.array<double>("parameters", times({PARAMETER_COUNT, b.count}));
  const auto coefficients = r.array<double>("coefficients");
  b.coefficients = coefficients.first;
  b.coefficient_count = coefficients.second / b.count;
  b.matrix_index = r.array<std::int32_t>("matrixIndex", b.count);
  const std::size_t q = b.basis, ds = b.endogenous, dx = b.exogenous, da = b.action;
  check(r, q > 0 && ds > 0 && dx > 0 && da > 0, "dimensions: expected at least one");
  const std::size_t m = columns_of(r, "mixing", times({q, ds + dx}));
  for (std::size_t i = 0; i < b.count; ++i)
    check(r, b.matrix_index[i] >= 0 && static_cast<std::size_t>(b.matrix_index[i]) < m,
          "matrixIndex: out of range");
  b.mixing = r.array<double>("mixing", times({m, q, ds + dx}));
  b.action_effect = r.array<double>("actionEffect", times({m, ds, da}));
  b.state_feedback = r.array<double>("stateFeedback", times({m, da, ds}));
  b.exogenous_feedback = r.array<double>("exogenousFeedback", times({m, da, dx}));
  b.projection = r.array<double>("projection", times({m, b.projected, q}));
  b.tolerance = tolerance_of(r);
  return b;
}

// solvePopulation(request: PopulationRequest & PopulationAnswer): Promise<void>
Napi::Value solve_population_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  PopulationBatch b = read_worlds(r);
  const auto latents = r.array<std::int32_t>("latentDims");
  b.latents = latents.first;
  b.latent_count = latents.second;
  check(r, b.latent_count > 0 && b.latents[0] > 0, "latentDims: expected at least one");
  for (std::size_t i = 1; i < b.latent_count; ++i)
    check(r, b.latents[i] >= b.latents[i - 1], "latentDims: expected ascending order");
  b.encoder = r.flag("encoder");
  const std::size_t k = b.max_latent(), encoder = b.encoder ? times({b.count, k, b.basis}) : 0;
  b.loss = r.array<double>("loss", times({b.count, b.latent_count}));
  b.spectrum = r.array<double>("spectrum", times({b.count, k}));
  b.rank = r.array<std::int32_t>("rank", b.count);
  b.next = r.array<double>("next", times({b.count, b.latent_count}));
  b.unique = r.array<std::uint8_t>("unique", times({b.count, b.latent_count}));
  b.metrics = r.array<double>("metrics", times({POPULATION_METRIC_COUNT, b.count, b.latent_count}));
  b.favourable = r.array<double>("favourable", times({POPULATION_METRIC_COUNT, b.count, b.latent_count}));
  b.encoder_c = r.array<double>("encoderC", encoder);
  b.encoder_d = r.array<double>("encoderD", encoder);
  b.complement = r.array<std::uint8_t>("complement", times({b.count, k}));
  b.complement_encoder = r.array<double>("complementEncoder", times({2, b.count}));
  b.status = r.array<std::uint8_t>("status", b.count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { solve_population(kernels, b, job); });
}

// What solveMoments and conditionMoments are asked alike; columns: VARIABLES' first columns, -1 where absent.
MomentsBatch read_moments(Request& r) {
  MomentsBatch b{};
  b.count = r.size("count");
  b.width = r.size("width");
  b.observation_dim = r.size("observationDim");
  b.action_dim = r.size("actionDim");
  b.projected = r.size("projectionDim");
  check(r, b.count > 0 && b.width > 0 && b.observation_dim > 0, "dimensions: expected at least one");
  b.moments = r.array<double>("moments", times({b.count, b.width, b.width}));
  const std::int32_t* columns = r.array<std::int32_t>("columns", VARIABLE_COUNT);
  b.coefficient_columns = columns_of(r, "coefficients", b.count);
  b.objective = ObjectiveReader(r, b.coefficient_columns).read();
  require_projection(r, b.objective, b.projected);
  b.coefficients = r.array<double>("coefficients").first;
  const auto present = [&](const Block& block) {
    for (std::int32_t t = 0; t < block.count; ++t) {
      const std::int32_t v = block.terms[t].variable;
      if (v == ENCODER_NOISE || v == DECODER_NOISE) continue;
      const std::size_t width = v == ACTION ? b.action_dim : b.observation_dim;
      check(r, columns[v] >= 0 && static_cast<std::size_t>(columns[v]) + width <= b.width,
            "columns: the objective needs a variable that the moments lack");
    }
  };
  const auto all_present = [&](const Stack& s) {
    for (std::int32_t i = 0; i < s.count; ++i) present(s.blocks[i]);
  };
  for (const Stack* s : {&b.objective.y, &b.objective.f, &b.objective.e}) all_present(*s);
  for (std::int32_t i = 0; i < b.objective.penalty_count; ++i) {
    all_present(b.objective.penalties[i].of);
    all_present(b.objective.penalties[i].given);
  }
  std::copy(columns, columns + VARIABLE_COUNT, b.column);
  b.projection = r.array<double>("projection", times({b.projected, b.observation_dim}));
  b.ridge = r.number("ridge");
  b.tolerance = tolerance_of(r);
  return b;
}

// solveMoments(request: MomentsRequest & MomentsAnswer & { columns }): Promise<void>
Napi::Value solve_moments_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  MomentsBatch b = read_moments(r);
  b.latent = r.size("latentDim");
  b.decoder = r.flag("decoder");
  check(r, b.latent > 0 || !b.decoder, "latentDim: expected at least one, for a decoder");
  for (const Variable v : {OBSERVATION, OBSERVATION_NEXT})
    check(r,
          !b.decoder ||
              (b.column[v] >= 0 && static_cast<std::size_t>(b.column[v]) + b.observation_dim <= b.width),
          "columns: a decoder needs o and o'");
  // What y ~ A o is read from is y on f: f has to be o, seen through the projection where there is one.
  const Stack& free = b.objective.f;
  check(r,
        !b.decoder || free.count == 0 ||
            (free.count == 1 && free.blocks[0].terms[0].variable != ACTION &&
             (free.blocks[0].projected != 0) == (b.projected > 0)),
        "f: a decoder needs one block, of the observation");
  const std::size_t decoded = b.decoder ? times({b.count, moments_decoded_width(b)}) : 0;
  b.decoder_a = r.array<double>("decoderA", times({decoded, b.observation_dim}));
  b.decoder_b = r.array<double>("decoderB", times({decoded, b.latent}));
  b.innovation_c =
      r.array<double>("innovationC", b.decoder ? times({b.count, b.latent, b.observation_dim}) : 0);
  b.trace = r.array<double>("trace", b.count);
  b.spectrum = r.array<double>("spectrum", times({b.count, moments_width(b, b.objective.e)}));
  b.rank = r.array<std::int32_t>("rank", b.count);
  b.encoder_c = r.array<double>("encoderC", times({b.count, b.latent, b.observation_dim}));
  b.encoder_d = r.array<double>("encoderD", times({b.count, b.latent, b.observation_dim}));
  b.status = r.array<std::uint8_t>("status", b.count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { solve_moments(kernels, b, job); });
}

// conditionMoments(request: ConditionRequest & ConditionAnswer & { columns }): Promise<void>
Napi::Value condition_moments_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  MomentsBatch b = read_moments(r);
  const std::size_t ny = moments_width(b, b.objective.y), nf = moments_width(b, b.objective.f),
                    ne = moments_width(b, b.objective.e);
  b.y_on_f = r.array<double>("yOnF", times({b.count, nf, ny}));
  b.e_on_f = r.array<double>("eOnF", times({b.count, nf, ne}));
  b.ye = r.array<double>("cross", times({b.count, ny, ne}));
  b.status = r.array<std::uint8_t>("status", b.count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { condition_moments(kernels, b, job); });
}

// probe(request: ProbeRequest & ProbeAnswer): Promise<void>
Napi::Value probe_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  ProbeBatch b{};
  b.width = r.size("width");
  check(r, b.width > 0, "width: expected at least one");
  b.train = r.array<double>("train", times({b.width, b.width}));
  b.held_out = r.array<double>("heldOut", times({b.width, b.width}));
  b.observation = r.size("observation");
  b.observation_next = r.size("observationNext");
  b.observation_dim = r.size("observationDim");
  check(r, b.observation_dim > 0, "observationDim: expected at least one");
  const auto inside = [&](std::size_t begin, std::size_t width) {
    check(r, begin <= b.width && width <= b.width - begin, "columns: beyond the moments");
  };
  inside(b.observation, b.observation_dim);
  inside(b.observation_next, b.observation_dim);
  b.rows = r.size("rows");
  b.encoder_c = r.array<double>("encoderC", times({b.rows, b.observation_dim}));
  b.encoder_d = r.array<double>("encoderD", times({b.rows, b.observation_dim}));
  const auto latents = r.array<std::int32_t>("latentDims");
  b.latents = latents.first;
  b.latent_count = latents.second;
  for (std::size_t i = 0; i < b.latent_count; ++i)
    check(r, b.latents[i] > 0, "latentDims: expected positive numbers");
  const auto targets = r.array<std::int32_t>("targets");
  b.targets = targets.first;
  b.target_count = targets.second / 2;
  for (std::size_t t = 0; t < b.target_count; ++t) {
    check(r, b.targets[2 * t] >= 0 && b.targets[2 * t + 1] > 0, "targets: out of range");
    inside(static_cast<std::size_t>(b.targets[2 * t]), static_cast<std::size_t>(b.targets[2 * t + 1]));
  }
  b.ridge = r.number("ridge");
  const auto pair_column = [&](const char* name) {
    const double column = r.number(name);
    if (column < 0) return std::int32_t{-1};
    inside(r.size(name), b.observation_dim);
    return static_cast<std::int32_t>(column);
  };
  b.pair_observation = pair_column("pairObservation");
  b.pair_observation_next = pair_column("pairObservationNext");
  b.information = r.array<double>("information", times({b.latent_count, b.target_count}));
  b.consistency = r.array<double>("consistency", b.latent_count);
  b.conditional = r.array<double>("conditional", times({b.latent_count, b.target_count}));
  b.raw = r.array<double>("raw", times({b.latent_count, b.target_count}));
  b.remaining = r.array<double>("remaining", b.target_count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { probe(kernels, b, job); });
}

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
  b.fold = r.array<std::int32_t>("fold", b.units);
  b.group = r.array<std::int32_t>("group", b.units);
  std::vector<std::int32_t> fold_of(b.groups, -1);
  for (std::size_t u = 0; u < b.units; ++u) {
    check(r, b.fold[u] >= 0 && static_cast<std::size_t>(b.fold[u]) < b.folds, "fold: out of range");
    check(r, b.group[u] >= 0 && static_cast<std::size_t>(b.group[u]) < b.groups, "group: out of range");
    check(r, b.rows.count == 0 || b.group[u] == b.fold[u], "group: expected the fold, where there are rows");
    std::int32_t& of = fold_of[static_cast<std::size_t>(b.group[u])];
    check(r, of < 0 || of == b.fold[u], "group: expected to lie in one fold");
    of = b.fold[u];
  }
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
  const auto latents = r.array<std::int32_t>("latentDims");
  b.latents = latents.first;
  b.latent_count = latents.second;
  check(r, b.latent_count > 0 && b.latents[0] > 0, "latentDims: expected at least one");
  for (std::size_t i = 1; i < b.latent_count; ++i)
    check(r, b.latents[i] >= b.latents[i - 1], "latentDims: expected ascending order");
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

// trainMoments(request: TrainMomentsRequest & TrainMomentsAnswer): Promise<void>
Napi::Value train_moments_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  TrainMomentsBatch b{};
  b.count = r.size("count");
  b.sets = r.size("sets");
  b.width = r.size("width");
  b.observation_dim = r.size("observationDim");
  b.action_dim = r.size("actionDim");
  b.latent = r.size("latentDim");
  const std::size_t d = b.observation_dim;
  check(r, b.count > 0 && b.sets > 0 && d > 0 && b.action_dim > 0 && b.latent > 0,
        "dimensions: expected at least one");
  b.moments = r.array<double>("moments", times({b.sets, b.width, b.width}));
  b.labelled = r.array<double>("labelled", times({b.count, b.width, b.width}));
  b.set = r.array<std::int32_t>("set", b.count);
  for (std::size_t i = 0; i < b.count; ++i)
    check(r, b.set[i] >= 0 && static_cast<std::size_t>(b.set[i]) < b.sets, "set: out of range");
  b.weight = r.array<double>("weight", b.count);
  const auto column = [&](const char* name, std::size_t width) {
    const std::size_t begin = r.size(name);
    check(r, begin <= b.width && width <= b.width - begin, "columns: beyond the moments");
    return begin;
  };
  b.observation = column("observation", d);
  b.observation_next = column("observationNext", d);
  b.action = column("action", b.action_dim);
  b.ridge = r.number("ridge");
  b.tolerance = tolerance_of(r);
  b.starts = r.size("starts");
  b.seed = r.whole("seed");
  b.iterations = r.size("iterations");
  b.loss = r.array<double>("loss", b.count);
  b.reconstruction = r.array<double>("reconstruction", b.count);
  b.head = r.array<double>("head", b.count);
  b.gradient = r.array<double>("gradient", b.count);
  b.steps = r.array<std::int32_t>("steps", b.count);
  b.encoder_c = r.array<double>("encoderC", times({b.count, b.latent, d}));
  b.encoder_d = r.array<double>("encoderD", times({b.count, b.latent, d}));
  b.status = r.array<std::uint8_t>("status", b.count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { train_moments(kernels, b, job); });
}

// Widths of an objective's stacks on observations of one width.
struct StackWidths {
  std::size_t observation, action, projected;
  std::size_t of(const Stack& s) const {
    std::size_t width = 0;
    for (std::int32_t i = 0; i < s.count; ++i)
      width += s.blocks[i].terms[0].variable == ACTION ? action
               : s.blocks[i].projected                 ? projected
                                                       : observation;
    return width;
  }
};

// What descendPopulation and descendMoments are asked alike (lib/backend/descent-requests.ts).
DescentBatch read_descent(Request& r, std::size_t count, const Objective& o, const StackWidths& widths,
                          std::size_t coefficients, std::size_t metrics) {
  DescentBatch b{};
  b.latent = r.size("latentDim");
  check(r, b.latent > 0, "latentDim: expected at least one");
  const double head = r.number("head");
  check(r, head >= -1 && head < static_cast<double>(coefficients), "head: out of range");
  b.head = static_cast<std::int32_t>(head);
  b.method = static_cast<std::int32_t>(r.size("method"));
  check(r, b.method <= GRADIENT_FLOW, "method: out of range");
  b.steps = r.size("steps");
  b.starts = r.size("starts");
  b.rate = r.array<double>("rate", count);
  b.seed = r.array<double>("seed", count);
  const std::size_t ny = widths.of(o.y), nf = widths.of(o.f), k = b.latent,
                    n = ny + (b.head >= 0 ? widths.action : 0);
  b.encoder_state = r.array<double>("encoderState", times({count, k, widths.of(o.e)}));
  b.decoder_state = r.array<double>("decoderState", times({count, n, k}));
  b.loss = r.array<double>("loss", count);
  b.reconstruction = r.array<double>("reconstruction", count);
  b.supervision = r.array<double>("supervision", count);
  b.gradient = r.array<double>("gradient", count);
  b.step = r.array<std::int32_t>("step", count);
  b.encoder_c = r.array<double>("encoderC", times({count, k, widths.observation}));
  b.encoder_d = r.array<double>("encoderD", times({count, k, widths.observation}));
  b.decoder_f = r.array<double>("decoderF", times({count, ny, nf}));
  b.outside = r.array<double>("outside", count);
  b.metrics = r.array<double>("metrics", times({metrics, count}));
  b.status = r.array<std::uint8_t>("status", count);
  return b;
}

// descendPopulation(request: PopulationDescentRequest & DescentAnswer): Promise<void>
Napi::Value descend_population_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const PopulationBatch worlds = read_worlds(r);
  const DescentBatch b =
      read_descent(r, worlds.count, worlds.objective, {worlds.basis, worlds.action, worlds.projected},
                   worlds.coefficient_count, POPULATION_METRIC_COUNT);
  return Task::start(r,
                     [=](const Kernels& kernels, Job& job) { descend_population(kernels, worlds, b, job); });
}

// descendMoments(request: MomentsDescentRequest & DescentAnswer & { columns }): Promise<void>
Napi::Value descend_moments_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const MomentsBatch data = read_moments(r);
  const DescentBatch b =
      read_descent(r, data.count, data.objective, {data.observation_dim, data.action_dim, data.projected},
                   data.coefficient_columns, 0);
  check(r,
        b.head < 0 || (data.column[ACTION] >= 0 &&
                       static_cast<std::size_t>(data.column[ACTION]) + data.action_dim <= data.width),
        "columns: a head needs the action");
  const double* labelled = r.array<double>("labelled", times({data.count, data.width, data.width}));
  return Task::start(
      r, [=](const Kernels& kernels, Job& job) { descend_moments(kernels, data, labelled, b, job); });
}

// accumulate(request: AccumulateRequest & { moments }): Promise<void>
Napi::Value accumulate_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t rows = r.size("rows"), width = r.size("width");
  check(r, width > 0, "width: expected at least one");
  const double* data = r.array<double>("data", times({rows, width}));
  const double* mean = r.array<double>("mean", width);
  double* out = r.array<double>("moments", times({width, width}));
  return Task::start(
      r, [=](const Kernels& kernels, Job& job) { accumulate(kernels, rows, width, data, mean, out, job); });
}

// What the states look like: view, viewSizes, viewNumbers.
ViewSpec read_view(Request& r, std::size_t ds, std::size_t dx, std::size_t d) {
  ViewSpec view{};
  view.kind = static_cast<ViewKind>(std::min<std::size_t>(r.size("view"), 255));
  const auto sizes = r.array<std::int32_t>("viewSizes");
  const auto numbers = r.array<float>("viewNumbers");
  view.sizes = sizes.first;
  view.size_count = sizes.second;
  view.numbers = numbers.first;
  view.number_count = numbers.second;
  const char* fault = view.fault(ds, dx, d);
  check(r, !fault, fault);
  return view;
}

// sample, sampleF32(request: SampleRequest & SampleAnswer & encoded view): Promise<void>
template <class T>
Napi::Value sample_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  SampleBatch<T> b{};
  b.first = r.whole("first");
  b.seed = r.whole("seed");
  b.count = r.size("count");
  b.observation_dim = r.size("observationDim");
  b.endogenous_dim = r.size("endogenousDim");
  b.exogenous_dim = r.size("exogenousDim");
  b.action_dim = r.size("actionDim");
  b.pair = r.flag("pair");
  const std::size_t d = b.observation_dim, ds = b.endogenous_dim, dx = b.exogenous_dim, da = b.action_dim;
  check(r, d > 0 && ds > 0 && dx > 0 && da > 0, "dimensions: expected at least one");
  b.parameters = r.array<double>("parameters", PARAMETER_COUNT);
  b.view = read_view(r, ds, dx, d);
  b.mixing = r.array<double>("mixing", b.view.kind == ViewKind::LINEAR ? times({d, ds + dx}) : 0);
  b.action_effect = r.array<double>("actionEffect", times({ds, da}));
  b.state_feedback = r.array<double>("stateFeedback", times({da, ds}));
  b.exogenous_feedback = r.array<double>("exogenousFeedback", times({da, dx}));
  b.observation = r.array<T>("observation", times({b.count, d}));
  b.observation_next = r.array<T>("observationNext", times({b.count, d}));
  b.pair_observation = r.array<T>("pairObservation", b.pair ? times({b.count, d}) : 0);
  b.pair_observation_next = r.array<T>("pairObservationNext", b.pair ? times({b.count, d}) : 0);
  b.action = r.array<double>("action", times({b.count, da}));
  b.exogenous = r.array<double>("exogenous", times({b.count, dx}));
  b.exogenous_next = r.array<double>("exogenousNext", times({b.count, dx}));
  b.endogenous = r.array<double>("endogenous", times({b.count, ds}));
  b.endogenous_next = r.array<double>("endogenousNext", times({b.count, ds}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { sample<T>(kernels, b, job); });
}

// wishart(request: WishartRequest & { moments }): Promise<void>
Napi::Value wishart_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  WishartBatch b{};
  b.first = r.whole("first");
  b.seed = r.whole("seed");
  b.degrees = r.whole("degrees");
  b.count = r.size("count");
  b.width = r.size("width");
  b.sources = r.size("sources");
  check(r, b.degrees > 0 && b.width > 0 && b.sources > 0, "degrees, width, sources: expected at least one");
  b.loadings = r.array<double>("loadings", times({b.width, b.sources}));
  b.moments = r.array<double>("moments", times({b.count, b.width, b.width}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { wishart(kernels, b, job); });
}

// normals, normalsF32(request: { seed, stream, first, out }): void
template <class T>
Napi::Value normals_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const KernelChoice& choice = chosen_kernels();
  if (!choice.table) throw Napi::Error::New(call.Env(), choice.error);
  const auto out = r.array<T>("out");
  const auto fill = [&](auto kernel) {
    kernel(out.first, r.whole("seed"), r.whole("stream"), r.whole("first"), out.second);
  };
  if constexpr (std::is_same_v<T, float>)
    fill(choice.table->normals_f32);
  else
    fill(choice.table->normals);
  return call.Env().Undefined();
}

// symmetricEigen(request: { matrices, n, count, values, vectors }): Promise<void>
Napi::Value symmetric_eigen_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t n = r.size("n"), count = r.size("count");
  check(r, n > 0, "n: expected at least one");
  const double* matrices = r.array<double>("matrices", times({count, n, n}));
  double* values = r.array<double>("values", times({count, n}));
  double* vectors = r.array<double>("vectors", times({count, n, n}));
  return Task::start(r, [=](const Kernels& kernels, Job& job) {
    symmetric_eigen(kernels, matrices, n, count, values, vectors, job);
  });
}

// multiply(request: MultiplyRequest & { product }): Promise<void>
Napi::Value multiply_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t rows = r.size("rows"), inner = r.size("inner"), cols = r.size("cols");
  check(r, rows > 0 && inner > 0 && cols > 0, "rows, inner, cols: expected at least one");
  const bool transpose_a = r.size("transposeA") != 0, transpose_b = r.size("transposeB") != 0;
  const double* a = r.array<double>("a", times({rows, inner}));
  const double* b = r.array<double>("b", times({inner, cols}));
  double* product = r.array<double>("product", times({rows, cols}));
  return Task::start(r, [=](const Kernels& kernels, Job& job) {
    multiply(kernels, transpose_a, transpose_b, rows, cols, inner, a, b, product, job);
  });
}

// choleskySolve(request: { matrices, rightSides, n, m, count, solutions }): Promise<void>
Napi::Value cholesky_solve_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t n = r.size("n"), m = r.size("m"), count = r.size("count");
  check(r, n > 0 && m > 0, "n, m: expected at least one");
  const double* matrices = r.array<double>("matrices", times({count, n, n}));
  const double* right_sides = r.array<double>("rightSides", times({count, n, m}));
  double* solutions = r.array<double>("solutions", times({count, n, m}));
  return Task::start(r, [=](const Kernels& kernels, Job& job) {
    cholesky_solve(kernels, matrices, right_sides, n, m, count, solutions, job);
  });
}

// fmaPeak(request: { rounds }): number, the floating-point operations done. On the calling thread: it is
// timed.
Napi::Value fma_peak_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const KernelChoice& choice = chosen_kernels();
  if (!choice.table) throw Napi::Error::New(call.Env(), choice.error);
  double sum;
  return Napi::Number::New(call.Env(), choice.table->fma_peak(r.size("rounds"), &sum));
}

template <class T, class Gemm>
void multiply(Request& r, Gemm gemm) {
  const std::size_t n = r.size("n");
  const T* a = r.array<T>("a", times({n, n}));
  const T* b = r.array<T>("b", times({n, n}));
  T* c = r.array<T>("c", times({n, n}));
  for (std::size_t rounds = r.size("rounds"); rounds > 0; --rounds)
    gemm(false, false, n, n, n, T(1), a, n, b, n, T(0), c, n);
}

// product(request: { a, b, c, n, rounds }): void, all arrays f64 or all f32. On the calling thread: it is
// timed.
Napi::Value product_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const KernelChoice& choice = chosen_kernels();
  if (!choice.table) throw Napi::Error::New(call.Env(), choice.error);
  const Napi::Value c = call[0].As<Napi::Object>().Get("c");
  if (c.IsTypedArray() && c.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array)
    multiply<float>(r, choice.table->gemm_f32);
  else
    multiply<double>(r, choice.table->gemm);
  return call.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment;
  env.SetInstanceData(environment);
  // A worker thread that ends waits for its running tasks: have them end soon.
  env.AddCleanupHook(
      [](Environment* e) {
        for (Job* job : e->running) job->cancel();
      },
      environment);
  exports.Set("guardSignals", Napi::Function::New(env, guard_signals));
  exports.Set("trackGroup", Napi::Function::New(env, track_group));
  exports.Set("info", Napi::Function::New(env, info));
  exports.Set("solvePopulation", Napi::Function::New(env, solve_population_call));
  exports.Set("solveMoments", Napi::Function::New(env, solve_moments_call));
  exports.Set("conditionMoments", Napi::Function::New(env, condition_moments_call));
  exports.Set("probe", Napi::Function::New(env, probe_call));
  exports.Set("estimate", Napi::Function::New(env, estimate_call));
  exports.Set("featureMoments", Napi::Function::New(env, feature_moments_call));
  exports.Set("nestedErrors", Napi::Function::New(env, nested_errors_call));
  exports.Set("rowCovariance", Napi::Function::New(env, row_covariance_call));
  exports.Set("trainMoments", Napi::Function::New(env, train_moments_call));
  exports.Set("descendPopulation", Napi::Function::New(env, descend_population_call));
  exports.Set("descendMoments", Napi::Function::New(env, descend_moments_call));
  export_training(env, exports);
  exports.Set("accumulate", Napi::Function::New(env, accumulate_call));
  exports.Set("sample", Napi::Function::New(env, sample_call<double>));
  exports.Set("sampleF32", Napi::Function::New(env, sample_call<float>));
  exports.Set("wishart", Napi::Function::New(env, wishart_call));
  exports.Set("normals", Napi::Function::New(env, normals_call<double>));
  exports.Set("normalsF32", Napi::Function::New(env, normals_call<float>));
  exports.Set("symmetricEigen", Napi::Function::New(env, symmetric_eigen_call));
  exports.Set("multiply", Napi::Function::New(env, multiply_call));
  exports.Set("choleskySolve", Napi::Function::New(env, cholesky_solve_call));
  exports.Set("fmaPeak", Napi::Function::New(env, fma_peak_call));
  exports.Set("product", Napi::Function::New(env, product_call));
  return exports;
}

}  // namespace
}  // namespace exo

static Napi::Object exolam_init(Napi::Env env, Napi::Object exports) { return exo::initialise(env, exports); }
NODE_API_MODULE(exolam, exolam_init)
