// Exact solutions and exact gradients: worlds (populations) and second moments of data
// (lib/backend/requests.ts).
#include "addon/calls.h"

#include <algorithm>
#include <tuple>

#include "addon/objective.h"
#include "addon/reading.h"
#include "addon/task.h"
#include "core/descent-batch.h"
#include "core/stages.h"

namespace exo {
namespace {

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
  std::tie(b.latents, b.latent_count) = latent_dims_of(r);
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
  double* moments = r.array<double>("moments", times({b.count, b.width, b.width}));
  b.moments = moments;
  b.spoilt = r.flag("spoil") ? moments : nullptr;
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

}  // namespace

void export_solving(Napi::Env env, Napi::Object exports) {
  exports.Set("solvePopulation", Napi::Function::New(env, solve_population_call));
  exports.Set("solveMoments", Napi::Function::New(env, solve_moments_call));
  exports.Set("conditionMoments", Napi::Function::New(env, condition_moments_call));
  exports.Set("descendPopulation", Napi::Function::New(env, descend_population_call));
  exports.Set("descendMoments", Napi::Function::New(env, descend_moments_call));
}

}  // namespace exo
